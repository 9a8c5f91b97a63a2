/**
 * Published configurations: OpenCLIP's 181 files, how many of them load and why the others do not; and those of well-known models,
 * in small, with weights of noise.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { loadClip } from '../../src/load.ts';
import { configTowers } from '../../src/model/config.ts';
import { towerSlots } from '../../src/model/registry.ts';
import { publishedTensors } from '../../src/model/slots.ts';
import { rejection, storeOf, utf8, writeCheckpoint } from '../api/checkpoint.ts';
import { Random } from '../kernels/random.ts';
import { goldenPath, syntheticPicture } from './golden.ts';
import { parseTowers } from './parse-config.ts';

// biome-ignore lint/suspicious/noExplicitAny: configurations of any form
type Json = Record<string, any>;
const read = (name: string) => JSON.parse(readFileSync(goldenPath(name), 'utf8'));
const openclip: Record<string, Json> = read('openclip-configs.json').configs;
const published: { openclip: Record<string, Json>; huggingface: Record<string, Json> } = read('published-configs.json');

/** The towers that can be built, and the sentences for those that cannot. */
function outcome(config: Json): { towers: string; reasons: string[] } {
  try {
    const parsed = parseTowers(config);
    return { towers: configTowers(parsed).join(' and '), reasons: Object.values(parsed.refused ?? {}) };
  } catch (error) {
    if (!(error instanceof ClipError) || error.code !== 'CONFIG') throw error;
    return { towers: 'none', reasons: [error.message] };
  }
}

/** A reason without its numbers and names, for counting. */
const kind = (reason: string) =>
  reason.replace(/^.*timm_model_name: .*, got "([a-z]+\d?).*/, 'an image tower of timm: $1').replace(/ = .*?: /, ': ');

describe("OpenCLIP's 181 configurations", () => {
  const outcomes = Object.entries(openclip).map(([name, config]) => ({ name, ...outcome(config) }));

  it('load with both towers, with one, or not, each with its reason', () => {
    const count = (towers: string) => outcomes.filter((one) => one.towers === towers).length;
    const counts = { both: count('image and text'), image: count('image'), text: count('text'), none: count('none') };
    const kinds = new Map<string, string[]>();
    for (const { name, reasons } of outcomes) {
      for (const reason of reasons) kinds.set(kind(reason), [...(kinds.get(kind(reason)) ?? []), name]);
    }
    const lines = [...kinds]
      .sort((a, b) => b[1].length - a[1].length)
      .map(([reason, names]) => `${String(names.length).padStart(4)}  ${reason} (${names.join(', ')})`);
    console.log(`${outcomes.length} configurations: ${JSON.stringify(counts)}\n${lines.join('\n')}`);
    expect(outcomes).toHaveLength(181);
    expect(counts).toEqual({ both: 55, image: 9, text: 52, none: 65 });
    for (const { name, towers, reasons } of outcomes) {
      expect(reasons.length > 0, name).toBe(towers !== 'image and text');
      for (const reason of reasons) {
        // The option and its value, then what is not supported, or what is.
        expect(reason, name).toMatch(
          /^[\w.]+( = .*: .* not supported|: expected "tf_efficientnet_lite0".*, got ".*")$/,
        );
      }
    }
  });

  it.each([
    ['ViT-B-16-SigLIP', /SigLIP models are not supported/],
    ['coca_ViT-L-14', /CoCa models are not supported/],
    ['xlm-roberta-base-ViT-B-32', /text towers from Hugging Face are not supported/],
    ['convnext_base_w', /timm_model_name: expected "tf_efficientnet_lite0"/],
    ['CLAP-HTSAT-tiny', /audio models are not supported/],
    ['naflexgenlap_betwixt', /audio models are not supported/],
    ['naflexgenlip_b16', /models that write texts \(GenLIP\) are not supported/],
    ['moderntext-ViT-B-32-256', /text_cfg.text_arch = "modern": this option is not supported/],
  ])('%s is refused by name', (name, reason) => {
    expect(outcome(openclip[name]!).reasons.join()).toMatch(reason);
  });

  it.each([
    ['ViT-L-14-CLIPA', 'image and text'],
    ['ViT-L-14-worldwide', 'image and text'],
    ['xlm-roberta-base-ViT-B-32', 'image'],
    ['MobileCLIP-S1', 'text'],
  ])('of %s the %s tower loads', (name, towers) => {
    expect(outcome(openclip[name]!).towers).toBe(towers);
  });
});

/**
 * The same model with one layer of narrow heads and a small vocabulary, on pictures of two patches a side. A ResNet keeps its
 * blocks and has a sixteenth of the channels.
 */
function small(json: Json): Json {
  const copy = structuredClone(json);
  const cfg = copy.model_cfg ?? copy;
  const { vision_cfg: vision, text_cfg: text, vision_config: image, text_config: words } = cfg;
  if (Array.isArray(vision?.layers)) {
    Object.assign(vision, { width: Math.ceil(vision.width / 16), head_width: 32, image_size: 64 });
    Object.assign(text, { width: text.heads * 8, layers: 1, vocab_size: 64 });
    return copy;
  }
  if (vision) {
    const heads = vision.width / (vision.head_width ?? 64);
    Object.assign(vision, { width: heads * 8, head_width: 8, layers: 1, image_size: 2 * vision.patch_size });
    // Wide enough for whole eights: int(width * ratio) of the large model need not be one here.
    if (vision.mlp_ratio !== undefined) vision.mlp_ratio = 4;
    Object.assign(text, { width: text.heads * 8, layers: 1, vocab_size: 64 });
    return copy;
  }
  const heads = (tower: Json, or: number) => tower.num_attention_heads ?? or;
  const shape = (n: number) => ({ hidden_size: 8 * n, intermediate_size: 32 * n, num_hidden_layers: 1 });
  Object.assign(image, shape(heads(image, 12)), { image_size: 2 * (image.patch_size ?? 32) });
  // Where the end token is not named, it is the last of CLIP's 49,408.
  Object.assign(words, shape(heads(words, 8)), { vocab_size: 64, eos_token_id: words.eos_token_id ?? 63 });
  return copy;
}

/** A model's files with weights of noise, in the naming of its configuration. */
async function files(json: Json, naming: 'openclip' | 'huggingface') {
  const config = parseTowers(json);
  const random = new Random(17);
  const tensors = new Map<string, { name: string; dtype: 'F32'; shape: readonly number[]; data: Uint8Array }>();
  const slots = await Promise.all(configTowers(config).map((tower) => towerSlots(config, tower)));
  for (const tensor of slots.flat().flatMap(publishedTensors)) {
    const names = tensor[naming] ?? tensor.openclip;
    let shape = tensor.transposedIn === naming ? [...tensor.shape].reverse() : tensor.shape;
    if (names.length > 1) shape = [shape[0]! / names.length, ...shape.slice(1)];
    for (const name of names) {
      const values = random.floats(
        shape.reduce((a, b) => a * b, 1),
        0.2,
      );
      if (name === 'logit_scale') values[0] = 4;
      if (name.endsWith('.running_var')) for (let i = 0; i < values.length; i++) values[i] = 1 + values[i]!;
      tensors.set(name, { name, dtype: 'F32', shape, data: new Uint8Array(values.buffer) });
    }
  }
  const weights = writeCheckpoint({ tensors: [...tensors.values()], metadata: {} });
  return naming === 'openclip'
    ? { 'open_clip_config.json': utf8(JSON.stringify(json)), 'open_clip_model.safetensors': weights }
    : { 'config.json': utf8(JSON.stringify(json)), 'model.safetensors': weights };
}

describe('published models in small', () => {
  const models = [
    ...Object.entries(published.openclip).map(([name, json]) => [name, json, 'openclip'] as const),
    ...Object.entries(published.huggingface).map(([name, json]) => [name, json, 'huggingface'] as const),
    ...Object.entries(openclip)
      .filter(([name, json]) => /CLIPA|ViT-M-16-alt|quickgelu/.test(name) && outcome(json).towers === 'image and text')
      .map(([name, json]) => [name, json, 'openclip'] as const),
  ];

  it.each(models)('%s loads and embeds in int8 and f32 alike', async (_, json, naming) => {
    const store = storeOf(await files(small(json), naming));
    using int8 = await loadClip(store);
    using f32 = await loadClip(store, { precision: 'f32' });
    const picture = syntheticPicture(100);
    const [a, b] = [await int8.encodeImage(picture), await f32.encodeImage(picture)];
    const ids = [[1, 5, 9, 63]];
    const eot = f32.config.text!.eot;
    if (eot.rule === 'id') ids[0]![3] = eot.id;
    const [[c], [d]] = [await int8.encodeTokens(ids), await f32.encodeTokens(ids)];
    for (const [x, y] of [
      [a, b],
      [c!, d!],
    ] as const) {
      expect(x.reduce((sum, value, i) => sum + value * y[i]!, 0)).toBeGreaterThan(0.999);
    }
  });

  it.each([
    ['ViT-H-14-worldwide', 'xlm', 'xlm'],
    ['ViT-L-14-worldwide', 't5', 't5'],
  ])('%s takes texts by a SentencePiece tokenizer, cleaned as its configuration says', async (name, kind, ids) => {
    const golden = read('unigram.json');
    const tokenizer = JSON.stringify(golden[kind]).replace('"charsmap"', () => `"${golden.charsmap}"`);
    const json = small(openclip[name]!);
    json.text_cfg.vocab_size = 1458;
    const store = storeOf({ ...(await files(json, 'openclip')), 'tokenizer.json': utf8(tokenizer) });
    using clip = await loadClip(store, { towers: ['text'] });
    const cases = golden.cases.filter((one: Json) => one[ids].length < golden.context_length).slice(0, 20);
    const texts = cases.map(({ text }: Json) => text);
    const expected = cases.map((one: Json) => one[ids]);
    expect(clip.tokenize(texts)).toEqual(expected);
    expect(await clip.encodeText(texts)).toEqual(await clip.encodeTokens(expected));
  });

  it('a tower that cannot be built does not keep its partner from loading', async () => {
    const json = small(openclip['ViT-L-14-CLIPA']!);
    json.text_cfg.use_pad_mask = true;
    using clip = await loadClip(storeOf(await files(json, 'openclip')), { towers: ['image'] });
    expect(await clip.encodeImage(syntheticPicture(28))).toHaveLength(768);
    expect((await rejection(loadClip(storeOf(await files(json, 'openclip'))))).message).toMatch(
      /the image tower loads alone/,
    );
  });
});
