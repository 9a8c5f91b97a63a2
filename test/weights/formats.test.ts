/** Each golden model in every form in which people have checkpoints: the bits of the first form, which is compared with the golden data. */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import type { TensorData } from '../../src/weights/safetensors.ts';
import { bytesSource, type ModelFiles } from '../../src/weights/source.ts';
import { type Folder, readCheckpoint, readFolder, storeOf, utf8, writeCheckpoint } from '../api/checkpoint.ts';
import { cosine, largestError, readGolden, syntheticPicture } from '../model/golden.ts';
import { Checkpoint, referenceEfficientNet } from '../model/references/efficientnet.ts';
import { smallEfficientNet } from '../model/small-efficientnet.ts';
import { syntheticFolder, TINY_RN } from '../model/synthetic.ts';
import { towersOf } from '../model/towers.ts';
import { push, stateDict, torchFile, torchScript } from './torch-writer.ts';

interface Golden {
  readonly config: { readonly image_resolution?: number; readonly vision_cfg?: { readonly image_size: number } };
  readonly token_ids: number[][];
  readonly image_embedding: number[];
  readonly text_embeddings: number[][];
}

interface Model {
  readonly folder: Folder;
  /** The file of weights in the folder. */
  readonly file: string;
  readonly expected: Golden;
  readonly ids: number[][];
}

const storages = (tensors: readonly TensorData[]) => tensors.map(({ data }) => data);
const plain = (tensors: readonly TensorData[]) => torchFile(stateDict(tensors), storages(tensors));

/** What training writes: names with `module.` before them, and an optimizer whose storages come first. */
function trainingCheckpoint(tensors: readonly TensorData[]): Uint8Array {
  const moment = { ...tensors[0]!, name: 'exp_avg' };
  const value = push.dict([
    ['epoch', push.int(3)],
    ['optimizer', push.dict([['state', stateDict([moment])]])],
    ['state_dict', stateDict(tensors, 'module.', 1)],
  ]);
  return torchFile(value, [new Uint8Array(moment.data.length).fill(0xff), ...storages(tensors)]);
}

/** Three files and their index, the tensors dealt out in turn. */
function sharded(tensors: readonly TensorData[], file: string, write: (some: TensorData[]) => Uint8Array): Folder {
  const [stem, ending] = [file.replace(/\.\w+$/, ''), file.replace(/^.*\./, '')];
  const names = [1, 2, 3].map((n) => `${stem}-0000${n}-of-00003.${ending}`);
  const index = { weight_map: Object.fromEntries(tensors.map(({ name }, i) => [name, names[i % 3]])) };
  const files = names.map((name, n) => [name, write(tensors.filter((_, i) => i % 3 === n))] as const);
  return { ...Object.fromEntries(files), [`${file}.index.json`]: utf8(JSON.stringify(index)) };
}

const safetensors = (tensors: readonly TensorData[]) => writeCheckpoint({ tensors: [...tensors], metadata: {} });

/** The forms of a model, all with the same values. `single`: one file with its configuration beside it. */
function forms({ folder, file }: Model, tensors: readonly TensorData[]): Record<string, ModelFiles> {
  const { [file]: _, ...rest } = folder;
  const bin = file === 'model.safetensors' ? 'pytorch_model.bin' : 'open_clip_pytorch_model.bin';
  const single = (name: string, bytes: Uint8Array): ModelFiles => ({ ...storeOf({ ...rest, [name]: bytes }), weights: name }); // biome-ignore format: one line
  return {
    safetensors: storeOf({ ...rest, [file]: safetensors(tensors) }),
    'safetensors in three files': storeOf({ ...rest, ...sharded(tensors, file, safetensors) }),
    'a state dict': storeOf({ ...rest, [bin]: plain(tensors) }),
    'state dicts in three files': storeOf({ ...rest, ...sharded(tensors, bin, plain) }),
    'one .pt': single('model.pt', plain(tensors)),
    'a training checkpoint': single('epoch_3.pt', trainingCheckpoint(tensors)),
  };
}

/** The tensors with values that 16 bits hold: as they are in F32, and in 16 bits. */
function rounded(tensors: readonly TensorData[], dtype: 'F16' | 'BF16'): { f32: TensorData[]; half: TensorData[] } {
  const f32 = tensors.map((tensor) => {
    if (tensor.dtype !== 'F32') return tensor;
    const bits = new Uint32Array(tensor.data.slice().buffer);
    for (const [i, value] of bits.entries()) {
      const tiny = (value & 0x7fff_ffff) < 0x3880_0000; // below F16's normal numbers
      if (dtype === 'BF16') bits[i] = value & 0xffff_0000;
      else bits[i] = tiny ? value & 0x8000_0000 : value & 0xffff_e000;
    }
    return { ...tensor, data: new Uint8Array(bits.buffer) };
  });
  const half = f32.map((tensor) => {
    if (tensor.dtype !== 'F32') return tensor;
    const bits = new Uint32Array(tensor.data.buffer);
    const values = Uint16Array.from(bits, (value) => {
      if (dtype === 'BF16') return value >>> 16;
      const magnitude = value & 0x7fff_ffff;
      return ((value >>> 16) & 0x8000) | (magnitude === 0 ? 0 : (magnitude - 0x3800_0000) >>> 13);
    });
    return { ...tensor, dtype, data: new Uint8Array(values.buffer) };
  });
  return { f32, half };
}

async function embeddings(files: ModelFiles, { expected, ids }: Model): Promise<Float32Array[]> {
  const { image_resolution: size = expected.config.vision_cfg!.image_size } = expected.config;
  using clip = await loadClip(files, { precision: 'f32' });
  const image = await clip.encodeImage(syntheticPicture(size), { normalize: false });
  return [image, ...(await clip.encodeTokens(ids, { normalize: false }))];
}

const OPENCLIP = 'open_clip_model.safetensors';
const ofFolder = (name: string, expected: string, file: string) => async (): Promise<Model> => {
  const golden = readGolden<Golden>(expected);
  return { folder: readFolder(name), file, expected: golden, ids: golden.token_ids };
};
const ofVariant = (name: string) => async (): Promise<Model> => {
  const expected = readGolden<Golden & { config: typeof TINY_RN & { text_cfg: { eos_id?: number } } }>(`openclip-variants/${name}/expected.json`); // biome-ignore format: one line
  const end = expected.config.text_cfg.eos_id ?? 39;
  const ids = expected.token_ids.map((row) => row.slice(0, row.indexOf(end) + 1));
  const folder = await syntheticFolder(`openclip-variants/${name}`, expected.config);
  return { folder, file: OPENCLIP, expected, ids };
};

describe.each<[string, () => Promise<Model>]>([
  ['tiny-vit', ofFolder('tiny-vit', 'tiny-vit/expected.json', OPENCLIP)],
  ['tiny-vit-hf', ofFolder('tiny-vit-hf', 'tiny-vit/expected.json', 'model.safetensors')],
  [
    'tiny-rn',
    async () => {
      const expected = readGolden<Golden>('tiny-rn/expected.json');
      return { folder: await syntheticFolder('tiny-rn', TINY_RN), file: OPENCLIP, expected, ids: expected.token_ids };
    },
  ],
  ['layer-scale', ofVariant('layer-scale')],
  ['clipa', ofVariant('clipa')],
  ['resnet-9', ofVariant('resnet-9')],
])('%s', (name, read) => {
  let model: Model;
  let tensors: TensorData[];
  let first: Float32Array[];
  beforeAll(async () => {
    model = await read();
    tensors = readCheckpoint(model.folder[model.file]!).tensors;
    first = await embeddings(storeOf(model.folder), model);
  });

  it('gives the golden embeddings, and their bits in every form', async () => {
    const { image_embedding: image, text_embeddings: texts } = model.expected;
    for (const [i, golden] of [image, ...texts].entries()) {
      expect(cosine(first[i]!, golden)).toBeGreaterThanOrEqual(0.999999);
      expect(largestError(first[i]!, golden)).toBeLessThanOrEqual(2e-5);
    }
    for (const [form, files] of Object.entries(forms(model, tensors)))
      expect(await embeddings(files, model), form).toEqual(first);
  });

  it.each(['F16', 'BF16'] as const)('gives the bits of the rounded values in %s, in every form', async (dtype) => {
    const { f32, half } = rounded(tensors, dtype);
    const expected = await embeddings(forms(model, f32).safetensors!, model);
    expect(cosine(expected[0]!, model.expected.image_embedding)).toBeGreaterThan(dtype === 'F16' ? 0.9999 : 0.995);
    expect(expected).not.toEqual(first);
    const { safetensors: single, 'a training checkpoint': training, 'state dicts in three files': three } = forms(model, half); // biome-ignore format: one line
    for (const files of [single!, training!, three!]) expect(await embeddings(files, model)).toEqual(expected);
  });

  it.runIf(['tiny-vit', 'tiny-rn'].includes(name))(
    'as OpenAI published its models, TorchScript without a configuration: the same bits, also in F16',
    async () => {
      const { f32, half } = rounded(tensors, 'F16');
      for (const [values, same] of [
        [tensors, tensors],
        [half, f32],
      ] as const) {
        const script: ModelFiles = { ...storeOf({ 'tiny.pt': torchScript(values) }), weights: 'tiny.pt' };
        expect(await embeddings(script, model)).toEqual(await embeddings(forms(model, same).safetensors!, model));
      }
    },
  );
});

it('EfficientNet: the same bits from a state dict, a training checkpoint and in 16 bits', async () => {
  const { vision, config, normalization, preprocess, picture } = smallEfficientNet([
    { repeats: 1, channels: 16, kernel: 3, stride: 1, expansion: 1 },
    { repeats: 2, channels: 24, kernel: 5, stride: 2, expansion: 3 },
  ]);
  const checkpoint = new Checkpoint(7);
  const golden = referenceEfficientNet(checkpoint, vision, 12, normalization, picture).embedding;
  const embedding = async (bytes: Uint8Array) => {
    const { engine, image } = await towersOf(bytesSource(bytes, 'small'), config, preprocess, { precision: 'f32', towers: ['image'] }); // biome-ignore format: one line
    engine.bytes.set(picture, image!.pixels);
    return engine.view(image!.encode(), 12).slice();
  };
  const { tensors } = readCheckpoint(checkpoint.bytes());
  const first = await embedding(safetensors(tensors));
  expect(cosine(first, golden)).toBeGreaterThanOrEqual(0.999999);
  for (const write of [plain, trainingCheckpoint]) expect(await embedding(write(tensors))).toEqual(first);
  for (const dtype of ['F16', 'BF16'] as const) {
    const { f32, half } = rounded(tensors, dtype);
    const expected = await embedding(safetensors(f32));
    for (const write of [safetensors, plain]) expect(await embedding(write(half))).toEqual(expected);
  }
});
