import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { product } from '../../src/engine/layout.ts';
import type { ClipConfig, Tower } from '../../src/model/config.ts';
import { towerSlots } from '../../src/model/registry.ts';
import { publishedTensors } from '../../src/model/slots.ts';
import { fileSource } from '../../src/platform/node.ts';
import { detectNaming, TensorLookup } from '../../src/weights/names.ts';
import { readSafetensorsHeader, type SafetensorsFile } from '../../src/weights/safetensors.ts';
import type { TensorInfo } from '../../src/weights/tensor-file.ts';
import { parseConfig } from '../model/parse-config.ts';

const golden = 'test/golden';
const towers: Tower[] = ['image', 'text'];

async function model(folder: string, config: string, weights: string) {
  const source = await fileSource(`${golden}/${folder}/${weights}`);
  const file = await readSafetensorsHeader(source);
  await source.close?.();
  return { config: parseConfig(JSON.parse(await readFile(`${golden}/${folder}/${config}`, 'utf8'))), file };
}
const openClip = await model('tiny-vit', 'open_clip_config.json', 'open_clip_model.safetensors');
const huggingFace = await model('tiny-vit-hf', 'config.json', 'model.safetensors');

function fileOf(tensors: Iterable<TensorInfo>, name = 'x'): SafetensorsFile {
  return { name, metadata: {}, dataOffset: 0, tensors: new Map([...tensors].map((tensor) => [tensor.name, tensor])) };
}
const change = (file: SafetensorsFile, edit: (tensor: TensorInfo) => TensorInfo | undefined) =>
  fileOf([...file.tensors.values()].map(edit).filter((tensor) => tensor !== undefined));

const efficientNet = {
  config: parseConfig({
    embed_dim: 384,
    vision_cfg: { timm_model_name: 'tf_efficientnet_lite0', timm_pool: '', timm_proj_bias: true, image_size: 224 },
    text_cfg: { context_length: 77, vocab_size: 16_384, width: 256, heads: 4, layers: 4 },
  }),
  // Names and shapes of the embedded model's source.
  file: fileOf(
    (await readFile(new URL('efficientnet-names.txt', import.meta.url), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
      .map(([name, shape]) => ({ name, dtype: 'F32', shape: JSON.parse(shape), offset: 0, byteLength: 0 })),
  ),
};

const slotsOf = new Map(
  await Promise.all(
    [openClip, huggingFace, efficientNet].map(async ({ config }) => {
      const [image, text] = await Promise.all([towerSlots(config, 'image'), towerSlots(config, 'text')]);
      return [config, { image, text }] as const;
    }),
  ),
);

/** What each published tensor of a tower was found to be. */
function resolve(file: SafetensorsFile, config: ClipConfig, tower: Tower) {
  const slots = slotsOf.get(config)![tower];
  const lookup = new TensorLookup(file, slots, tower, 'tiny');
  // A residual is made of the same tensor as the map that it corrects.
  const tensors = new Set(slots.flatMap((slot) => publishedTensors(slot)));
  return [...tensors].map((tensor) => ({
    name: tensor.openclip[0]!,
    shape: tensor.shape,
    parts: lookup.parts(tensor),
    transposed: lookup.isTransposed(tensor),
  }));
}

const usedNames = (...args: Parameters<typeof resolve>) =>
  resolve(...args).flatMap(({ parts }) => parts.map(({ name }) => name));

describe.each([
  ['OpenCLIP', openClip],
  ['Hugging Face', huggingFace],
  ['EfficientNet', efficientNet],
])('the names of %s', (_, { config, file }) => {
  it('are all used, each by one tower', () => {
    const used = towers.flatMap((tower) => usedNames(file, config, tower));
    expect(used.toSorted()).toEqual([...file.tensors.keys()].toSorted());
  });

  it('have as many elements as the shape of the graph says', () => {
    for (const tower of towers) {
      for (const { shape, parts } of resolve(file, config, tower)) {
        expect(product(shape)).toBe(parts.reduce((sum, part) => sum + product(part.shape), 0));
      }
    }
  });
});

describe('TensorLookup', () => {
  it('joins query, key and value, and transposes only where the file holds [in, out]', () => {
    const find = ({ config, file }: typeof openClip, name: string) =>
      towers.flatMap((tower) => resolve(file, config, tower)).find((tensor) => tensor.name === name)!;
    const joined = find(huggingFace, 'transformer.resblocks.1.attn.in_proj_weight');
    expect(joined.parts.map(({ name }) => name)).toEqual(
      ['q', 'k', 'v'].map((which) => `text_model.encoder.layers.1.self_attn.${which}_proj.weight`),
    );
    expect(joined).toMatchObject({ shape: [384, 128], transposed: false });
    for (const [{ config, file }, expected] of [
      [openClip, ['visual.proj', 'text_projection']],
      [huggingFace, []],
      [efficientNet, ['text_projection']],
    ] as const) {
      const all = towers.flatMap((tower) => resolve(file, config, tower));
      expect(all.filter(({ transposed }) => transposed).map(({ name }) => name)).toEqual(expected);
    }
    expect(find(openClip, 'visual.proj').shape).toEqual([96, 128]);
  });

  it.each(['module.', '_orig_mod.', 'module._orig_mod.', 'model.'])('passes over the prefix %s', (prefix) => {
    for (const { config, file } of [openClip, huggingFace, efficientNet]) {
      const wrapped = change(file, (tensor) => ({ ...tensor, name: prefix + tensor.name }));
      for (const tower of towers) {
        expect(usedNames(wrapped, config, tower)).toEqual(usedNames(file, config, tower).map((name) => prefix + name));
      }
    }
  });

  it.each(['', 'module.'])(
    'reads the names of TinyCLIP (github.com/microsoft/Cream), with %j after each part',
    (inner) => {
      const part = (name: string) =>
        name.startsWith('visual.') ? '_image_encoder' : name === 'logit_scale' ? '_logit_scale' : '_text_encoder';
      const named = (name: string) => `${part(name)}.${inner}${name}`;
      const { config, file } = openClip;
      const tiny = change(file, (tensor) => ({ ...tensor, name: named(tensor.name) }));
      for (const tower of towers)
        expect(usedNames(tiny, config, tower)).toEqual(usedNames(file, config, tower).map(named));
    },
  );

  it('finds a text tower that is kept under text., and prefers a name that needs no change', () => {
    const text = /^(transformer|token_embedding|positional_embedding|ln_final|text_projection)/;
    const custom = change(openClip.file, (tensor) =>
      text.test(tensor.name) ? { ...tensor, name: `text.${tensor.name}` } : tensor,
    );
    expect(usedNames(custom, openClip.config, 'text')).toContain('text.token_embedding.weight');
    const both = fileOf([...openClip.file.tensors.values(), ...custom.tensors.values()].reverse());
    expect(usedNames(both, openClip.config, 'text')).toContain('token_embedding.weight');
    expect(usedNames(both, openClip.config, 'text')).not.toContain('text.token_embedding.weight');
  });

  it('ignores tensors that are not needed', () => {
    const extra: TensorInfo = { name: 'position_ids', dtype: 'I64', shape: [1, 77], offset: 0, byteLength: 616 };
    const file = fileOf([extra, ...huggingFace.file.tensors.values()]);
    expect(usedNames(file, huggingFace.config, 'text')).toEqual(
      usedNames(huggingFace.file, huggingFace.config, 'text'),
    );
  });

  it('takes the scale as [] and [1], not as [2], and for the text tower only', () => {
    const scaled = (shape: number[]) =>
      change(openClip.file, (tensor) => (tensor.name === 'logit_scale' ? { ...tensor, shape } : tensor));
    for (const shape of [[], [1]]) {
      expect(resolve(scaled(shape), openClip.config, 'text')[0]).toMatchObject({ name: 'logit_scale', shape: [] });
    }
    expect(() => resolve(scaled([2]), openClip.config, 'text')).toThrow('has the shape [2], expected []');
    resolve(scaled([2]), openClip.config, 'image');
  });

  it('names the missing tensor, counts the others and says whose names it looked for', () => {
    const without = (pattern: RegExp, { file }: typeof openClip) =>
      change(file, (tensor) => (pattern.test(tensor.name) ? undefined : tensor));
    const refusal = (file: SafetensorsFile, { config }: typeof openClip, tower: Tower) =>
      expect(() => resolve(file, config, tower));
    const one = without(/^visual\.ln_post\.bias$/, openClip);
    refusal(one, openClip, 'image').toThrow(
      expect.objectContaining({
        code: 'WEIGHTS_MISSING',
        message: `"x" lacks the tensor visual.ln_post.bias of the image tower (names are OpenCLIP's)`,
      }),
    );
    resolve(one, openClip.config, 'text');
    const three = without(/text_model.*layers\.1\.self_attn\.(k_proj|v_proj\.bias)/, huggingFace);
    refusal(three, huggingFace, 'text').toThrow(
      expect.objectContaining({
        code: 'WEIGHTS_MISSING',
        message:
          '"x" lacks the tensor text_model.encoder.layers.1.self_attn.k_proj.weight and 2 others of the text tower ' +
          "(names are Hugging Face's)",
      }),
    );
    refusal(fileOf([{ name: 'conv.w', dtype: 'F32', shape: [], offset: 0, byteLength: 4 }]), openClip, 'text').toThrow(
      expect.objectContaining({ code: 'WEIGHTS_MISSING', message: expect.stringContaining('it has conv.w') }),
    );
  });

  it('names the tensor of a wrong shape, expected and found', () => {
    const turned = change(openClip.file, (tensor) =>
      tensor.name === 'visual.proj' ? { ...tensor, shape: [96, 128] } : tensor,
    );
    expect(() => resolve(turned, openClip.config, 'image')).toThrow(
      expect.objectContaining({
        code: 'WEIGHTS_SHAPE',
        message: '"x": tensor visual.proj has the shape [96, 128], expected [128, 96]',
      }),
    );
  });

  it('names the tensor of an unknown type', () => {
    const odd = change(openClip.file, (tensor) =>
      tensor.name === 'ln_final.bias' ? { ...tensor, dtype: 'I64' } : tensor,
    );
    resolve(odd, openClip.config, 'image');
    expect(() => resolve(odd, openClip.config, 'text')).toThrow(
      expect.objectContaining({ code: 'WEIGHTS_DTYPE', message: expect.stringMatching(/ln_final\.bias .* I64/) }),
    );
  });
});

describe('towerSlots', () => {
  it('leaves out what the configuration switches off', async () => {
    const config = parseConfig({
      embed_dim: 8,
      vision_cfg: { width: 64, layers: 1, patch_size: 8, image_size: 16, no_ln_pre: true },
      text_cfg: { width: 64, heads: 8, layers: 1 },
    });
    const names = (await towerSlots(config, 'image')).map(({ name }) => name);
    expect(names.some((name) => name.includes('ln_pre'))).toBe(false);
    expect(names).toContain('visual.ln_post.weight');
    const { vision } = efficientNet.config;
    if (vision?.kind !== 'efficientnet-lite') throw new Error('another tower');
    const plain = { ...efficientNet.config, vision: { ...vision, projectionBias: false } };
    const published = (await towerSlots(plain, 'image')).flatMap(publishedTensors);
    expect(published.flatMap(({ openclip }) => openclip)).not.toContain('visual.head.proj.bias');
  });
});

describe('detectNaming', () => {
  it('goes by beginnings that one side alone uses', () => {
    expect(detectNaming(['logit_scale', 'text_projection.weight', 'vision_model.x'])).toBe('huggingface');
    expect(detectNaming(['logit_scale', 'text_projection', 'visual.x'])).toBe('openclip');
    expect(detectNaming(['token_embedding.weight'])).toBe('openclip');
    expect(detectNaming(['logit_scale', 'visual_projection.weight'])).toBeUndefined();
  });
});
