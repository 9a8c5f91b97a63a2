/** `edgeclip info`: what a model is, from configuration and headers alone. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { reportModel } from '../../src/cli/model-report.ts';
import { loadClip } from '../../src/load.ts';
import { openModel } from '../../src/open-model.ts';
import { defaultFiles } from '../../src/platform/node.ts';
import { rejection } from '../api/checkpoint.ts';
import { goldenPath, syntheticPicture } from '../model/golden.ts';
import { VIT_B_32 } from '../model/synthetic.ts';
import { edgeclip } from './command.ts';

const work = mkdtempSync(join(tmpdir(), 'edgeclip-info-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const options = { precision: 'int8', threads: 1 } as const;
const files = async (model?: string) => (model === undefined ? defaultFiles() : openModel(model));
const config = JSON.parse(readFileSync(goldenPath('tiny-vit/open_clip_config.json'), 'utf8'));

/** A copy of the golden model with another configuration. */
function variant(
  name: string,
  change: (model: Record<'vision_cfg' | 'text_cfg', Record<string, unknown>>) => void,
): string {
  const path = join(work, name);
  cpSync(goldenPath('tiny-vit'), path, { recursive: true });
  const changed = structuredClone(config);
  change(changed.model_cfg);
  writeFileSync(join(path, 'open_clip_config.json'), JSON.stringify(changed));
  return path;
}

/** ViT-B/32 in OpenCLIP's layout: a true header, and a file that is a hole where the weights would be. */
function hollow(): string {
  const path = join(work, 'hollow');
  mkdirSync(path);
  const manifest = JSON.parse(readFileSync(goldenPath('vit-b-32/manifest.json'), 'utf8')) as {
    tensors: { name: string; shape: number[] }[];
  };
  let end = 0;
  const header = Object.fromEntries(
    manifest.tensors.map(({ name, shape }) => {
      const begin = end;
      end += 4 * shape.reduce((a, b) => a * b, 1);
      return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = join(path, 'open_clip_model.safetensors');
  writeFileSync(file, Buffer.concat([length, json]));
  truncateSync(file, 8 + json.length + end);
  writeFileSync(join(path, 'open_clip_config.json'), JSON.stringify({ model_cfg: VIT_B_32, preprocess_cfg: {} }));
  return path;
}

describe('edgeclip info', () => {
  it('needs no weights: a file of nothing but its header is described, and its memory planned', async () => {
    const model = hollow();
    const { code, stdout } = await edgeclip(['info', model, '--threads', '1']);
    expect(code).toBe(0);
    expect(stdout).toContain('ViT, patch 32, 224 x 224 pixels\n');
    expect(stdout).toContain(
      '12 layers of width 768, 12 heads, MLP of 3072, quick_gelu; 87,849,216 parameters, F32 in open_clip_model.safetensors\n',
    );
    const report = await reportModel(await files(model), options);
    expect(report).toMatchObject({ towers: ['image', 'text'], image: { parameters: 87_849_216 }, refused: {} });
    expect(report.image!.parameters + report.text!.parameters).toBe(151_277_313); // as OpenAI's model card counts
    expect(report.image!.bytes).toBeLessThan(90e6);
    const f32 = await reportModel(await files(model), { ...options, precision: 'f32' });
    expect(f32.memory.total).toBeGreaterThan(3.5 * report.memory.total);
    // Loading looks at the weights.
    expect(await rejection(loadClip(model, { towers: ['image'] }))).toMatchObject({ code: 'WEIGHTS_VALUE' });
  });

  it('plans the memory that loading takes', async () => {
    for (const model of [undefined, goldenPath('tiny-vit-hf')]) {
      using clip = await loadClip(model);
      const {
        memory: { decoders: _, ...memory },
        towers,
        embedDim,
      } = clip.info();
      expect(await reportModel(await files(model), options)).toMatchObject({ memory, towers, embedDim });
    }
  });

  it('says why one tower does not load; the other one does', async () => {
    const model = variant('roberta', ({ text_cfg }) => {
      text_cfg.hf_model_name = 'roberta-base';
    });
    const { code, stdout } = await edgeclip(['info', model, '--json']);
    const report = JSON.parse(stdout);
    expect(code).toBe(1);
    expect(report.towers).toEqual(['image']);
    expect(report.refused.text).toMatch(
      /hf_model_name = "roberta-base": text towers from Hugging Face are not supported/,
    );
    const picture = syntheticPicture(80);
    using both = await loadClip(goldenPath('tiny-vit'));
    using image = await loadClip(model, { towers: ['image'] });
    expect(await image.encodeImage(picture)).toEqual(await both.encodeImage(picture));
    const error = await rejection(loadClip(model));
    expect(error).toMatchObject({ code: 'CONFIG' });
    expect(error.message).toMatch(/roberta-base.*the image tower loads alone: towers: \['image'\]/);
    expect((await rejection(image.encodeText('a'))).message).toMatch(/text tower cannot be built.*roberta-base/);
  });

  it('loads the text tower of a model whose image tower cannot be built, with its logit scale', async () => {
    const model = variant('swin', ({ vision_cfg }) => {
      vision_cfg.timm_model_name = 'swin_base_patch4_window7_224';
    });
    using both = await loadClip(goldenPath('tiny-vit'));
    using text = await loadClip(model, { towers: ['text'] });
    const ids = [[0, 5, 6, 599]];
    expect(await text.encodeTokens(ids)).toEqual(await both.encodeTokens(ids));
    expect(text.logitScale).toBe(both.logitScale);
    expect((await reportModel(await files(model), options)).refused.image).toMatch(/timm_model_name/);
  });

  it('finds in the headers that weights and configuration are of two models', async () => {
    const model = variant('fewer', ({ vision_cfg }) => {
      vision_cfg.layers = 2;
    });
    const { code, stdout } = await edgeclip(['info', model]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^image {7}does not load: .*resblocks\.2\..*which the configuration does not describe/m);
    expect(stdout).toMatch(/^towers {6}text$/m);
  });

  it("warns of a tokenizer that is another model's", async () => {
    const model = variant('other words', () => {});
    cpSync(goldenPath('clip-tokenizer/tokenizer.json'), join(model, 'tokenizer.json'));
    const { towers, text, warnings } = await reportModel(await files(model), options);
    expect(towers).toEqual(['image', 'text']);
    expect(text!.tokenizer).toBe(true);
    expect(warnings).toEqual([
      expect.stringMatching(/^texts cannot be embedded: .* has 49408 tokens, expected at most 600/),
    ]);
    expect((await reportModel(await files(variant('no words', () => {})), options)).warnings).toEqual([]);
  });

  it('takes one model', async () => {
    const { code, stderr } = await edgeclip(['info', 'a', '--model', 'b']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('the model is given twice')]);
  });
});
