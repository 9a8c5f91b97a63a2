import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/model/config.ts';
import { fileSource } from '../../src/platform/node.ts';
import { detectLayout, resolveTensors, type Tower, wantedTensors } from '../../src/weights/names.ts';
import { readSafetensorsHeader, type SafetensorsFile, type TensorInfo } from '../../src/weights/safetensors.ts';

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

describe.each([
  ['OpenCLIP', openClip],
  ['Hugging Face', huggingFace],
  ['EfficientNet', efficientNet],
])('the names of %s', (_, { config, file }) => {
  it('are all wanted, each by one tower, but for the scale that both want', () => {
    const used = towers.flatMap((tower) =>
      resolveTensors(file, config, tower).flatMap(({ parts }) => parts.map(({ name }) => name)),
    );
    expect(used.toSorted()).toEqual([...file.tensors.keys(), 'logit_scale'].toSorted());
  });

  it('have as many elements as the canonical shape says', () => {
    const size = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);
    for (const tower of towers) {
      for (const { shape, parts } of resolveTensors(file, config, tower)) {
        expect(size(shape)).toBe(parts.reduce((sum, part) => sum + size(part.shape), 0));
      }
    }
  });
});

describe('resolveTensors', () => {
  it('gives both layouts the same names and shapes', () => {
    for (const tower of towers) {
      const [ours, theirs] = [openClip, huggingFace].map(({ config, file }) =>
        resolveTensors(file, config, tower).map(({ name, shape }) => ({ name, shape })),
      );
      expect(ours).toEqual(theirs);
    }
  });

  it('joins query, key and value, and transposes only where the file holds [in, out]', () => {
    const find = ({ config, file }: typeof openClip, name: string) =>
      towers.flatMap((tower) => resolveTensors(file, config, tower)).find((tensor) => tensor.name === name)!;
    const joined = find(huggingFace, 'transformer.resblocks.1.attn.in_proj_weight');
    expect(joined.parts.map(({ name }) => name)).toEqual(
      ['q', 'k', 'v'].map((which) => `text_model.encoder.layers.1.self_attn.${which}_proj.weight`),
    );
    expect(joined).toMatchObject({ shape: [384, 128], transpose: false });
    for (const name of ['visual.proj', 'text_projection']) {
      expect(find(openClip, name)).toMatchObject({ shape: [96, 128], transpose: true });
      expect(find(huggingFace, name)).toMatchObject({ shape: [96, 128], transpose: false });
    }
    const transposed = wantedTensors(openClip.config, 'image').filter(({ openclip }) => openclip.transpose);
    expect(transposed.map(({ name }) => name)).toEqual(['visual.proj']);
  });

  it.each(['module.', '_orig_mod.', 'module._orig_mod.', 'model.'])('passes over the prefix %s', (prefix) => {
    for (const { config, file } of [openClip, huggingFace, efficientNet]) {
      const wrapped = change(file, (tensor) => ({ ...tensor, name: prefix + tensor.name }));
      for (const tower of towers) {
        expect(resolveTensors(wrapped, config, tower).flatMap(({ parts }) => parts.map(({ name }) => name))).toEqual(
          resolveTensors(file, config, tower).flatMap(({ parts }) => parts.map(({ name }) => prefix + name)),
        );
      }
    }
  });

  it('finds a text tower that is kept under text., and prefers a name that needs no change', () => {
    const text = /^(transformer|token_embedding|positional_embedding|ln_final|text_projection)/;
    const custom = change(openClip.file, (tensor) =>
      text.test(tensor.name) ? { ...tensor, name: `text.${tensor.name}` } : tensor,
    );
    expect(resolveTensors(custom, openClip.config, 'text')[0].parts[0].name).toBe('text.token_embedding.weight');
    const both = fileOf([...openClip.file.tensors.values(), ...custom.tensors.values()].reverse());
    expect(resolveTensors(both, openClip.config, 'text')[0].parts[0].name).toBe('token_embedding.weight');
  });

  it('does not mind tensors that nobody wants', () => {
    const extra: TensorInfo = { name: 'position_ids', dtype: 'I64', shape: [1, 77], offset: 0, byteLength: 616 };
    const file = fileOf([extra, ...huggingFace.file.tensors.values()]);
    expect(resolveTensors(file, huggingFace.config, 'text')).toEqual(
      resolveTensors(huggingFace.file, huggingFace.config, 'text'),
    );
  });

  it('takes the scale as [] and [1], not as [2]', () => {
    const scaled = (shape: number[]) =>
      change(openClip.file, (tensor) => (tensor.name === 'logit_scale' ? { ...tensor, shape } : tensor));
    for (const shape of [[], [1]]) {
      expect(resolveTensors(scaled(shape), openClip.config, 'image').at(-1)).toMatchObject({
        name: 'logit_scale',
        shape: [],
      });
    }
    expect(() => resolveTensors(scaled([2]), openClip.config, 'image')).toThrow('has the shape [2], expected []');
  });

  it('names the missing tensor, counts the others and says whose names it looked for', () => {
    const without = (pattern: RegExp, { file }: typeof openClip) =>
      change(file, (tensor) => (pattern.test(tensor.name) ? undefined : tensor));
    const refusal = (file: SafetensorsFile, { config }: typeof openClip, tower: Tower) =>
      expect(() => resolveTensors(file, config, tower));
    const one = without(/^visual\.ln_post\.bias$/, openClip);
    refusal(one, openClip, 'image').toThrow(
      expect.objectContaining({
        code: 'WEIGHTS_MISSING',
        message: `"x" lacks the tensor visual.ln_post.bias of the image tower (names are OpenCLIP's)`,
      }),
    );
    resolveTensors(one, openClip.config, 'text');
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
    expect(() => resolveTensors(turned, openClip.config, 'image')).toThrow(
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
    resolveTensors(odd, openClip.config, 'image');
    expect(() => resolveTensors(odd, openClip.config, 'text')).toThrow(
      expect.objectContaining({ code: 'WEIGHTS_DTYPE', message: expect.stringMatching(/ln_final\.bias .* I64/) }),
    );
  });
});

describe('wantedTensors', () => {
  it('leaves out what the configuration switches off', () => {
    const config = parseConfig({
      embed_dim: 8,
      vision_cfg: { width: 64, layers: 1, patch_size: 8, image_size: 16, no_ln_pre: true },
      text_cfg: { width: 64, heads: 8, layers: 1 },
    });
    const names = wantedTensors(config, 'image').map(({ name }) => name);
    expect(names.some((name) => name.includes('ln_pre'))).toBe(false);
    expect(names).toContain('visual.ln_post.weight');
    const { vision } = efficientNet.config;
    if (vision?.kind !== 'efficientnet-lite') throw new Error('another tower');
    const plain = { ...efficientNet.config, vision: { ...vision, projectionBias: false } };
    expect(wantedTensors(plain, 'image').map(({ name }) => name)).not.toContain('visual.head.proj.bias');
  });
});

describe('detectLayout', () => {
  it('goes by beginnings that one side alone uses', () => {
    expect(detectLayout(['logit_scale', 'text_projection.weight', 'vision_model.x'])).toBe('huggingface');
    expect(detectLayout(['logit_scale', 'text_projection', 'visual.x'])).toBe('openclip');
    expect(detectLayout(['token_embedding.weight'])).toBe('openclip');
    expect(detectLayout(['logit_scale', 'visual_projection.weight'])).toBeUndefined();
  });
});
