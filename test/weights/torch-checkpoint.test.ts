/** PyTorch's files: what is read of them, and that it is what PyTorch wrote (fixtures: test/oracle/torch_files.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { readElements, readFloats, readTensor } from '../../src/weights/elements.ts';
import { readTensorFile } from '../../src/weights/headers.ts';
import { readDescription } from '../../src/weights/model-files.ts';
import { openaiConfig } from '../../src/weights/openai-config.ts';
import { parseSafetensorsHeader } from '../../src/weights/safetensors.ts';
import { singleFile } from '../../src/weights/single-file.ts';
import { bytesSource, type Source } from '../../src/weights/source.ts';
import { checkStrides } from '../../src/weights/strided.ts';
import type { TensorFile } from '../../src/weights/tensor-file.ts';
import { type Folder, readCheckpoint, readFolder, rejection, storeOf } from '../api/checkpoint.ts';
import { cosine, type Expected, goldenPath, largestError, readGolden, syntheticPicture } from '../model/golden.ts';
import { parseConfig } from '../model/parse-config.ts';
import { concat, push, stateDict, torchFile } from './torch-writer.ts';

type Listed = Record<string, { shape: number[]; values: number[] }>;
const golden = readGolden<{ state_dict: Listed; checkpoint: Listed }>('torch/tensors.json');

async function openGolden(name: string): Promise<{ source: Source; file: TensorFile }> {
  const source = bytesSource(readFileSync(goldenPath(`torch/${name}`)), name);
  return { source, file: await readTensorFile(source) };
}

describe('torch.save', () => {
  it('a state dict has the values that PyTorch gave it, whatever their type and strides', async () => {
    const { source, file } = await openGolden('state-dict.pt');
    expect([...file.tensors.keys()]).toEqual(Object.keys(golden.state_dict));
    for (const [name, { shape, values }] of Object.entries(golden.state_dict)) {
      const tensor = file.tensors.get(name)!;
      expect(tensor.shape, name).toEqual(shape);
      expect(() => checkStrides(file, tensor)).not.toThrow();
      const bytes = new Uint8Array(tensor.byteLength);
      await readElements(source, tensor, bytes);
      if (tensor.dtype === 'I64') expect([...new BigInt64Array(bytes.buffer)].map(Number)).toEqual(values);
      else if (tensor.dtype === 'U16') expect([...new Uint16Array(bytes.buffer)]).toEqual(values);
      else if (tensor.dtype === 'U8' || tensor.dtype === 'BOOL') expect([...bytes]).toEqual(values);
      else {
        expect([...(await readTensor(source, tensor))], name).toEqual(values.map(Math.fround));
        const pieces: number[] = [];
        for await (const piece of readFloats(source, tensor, { chunkBytes: 12 })) pieces.push(...piece);
        expect(pieces, name).toEqual(values.map(Math.fround));
      }
    }
    const types = Object.fromEntries([...file.tensors].map(([name, { dtype }]) => [name, dtype]));
    expect(types).toMatchObject({ f16: 'F16', bf16: 'BF16', f64: 'F64', i64: 'I64', u16: 'U16', parameter: 'F32' });
  });

  it.each(['checkpoint.pt', 'old.pt'])(
    '%s, a training checkpoint: its state_dict alone, under its names',
    async (name) => {
      const { source, file } = await openGolden(name);
      expect([...file.tensors.keys()]).toEqual(['module.weight', 'module.bias']);
      for (const [tensor, { shape, values }] of Object.entries(golden.checkpoint)) {
        expect(file.tensors.get(tensor)!.shape).toEqual(shape);
        expect([...(await readTensor(source, file.tensors.get(tensor)!))]).toEqual(values);
      }
    },
  );

  it('keeps the model under any of the usual keys, whatever tensors are beside it', async () => {
    const data = new Uint8Array(new Float32Array([1, 2]).buffer);
    const tensors = stateDict([{ name: 'a', dtype: 'F32', shape: [2], data }]);
    const rng = push.tensor(push.storage('FloatStorage', '0', 2), 0, [1], [1]);
    for (const key of ['state_dict', 'model_state_dict', 'model', 'module']) {
      const value = push.dict([
        ['rng', rng],
        ['optimizer', push.dict([['b', rng]])],
        [key, tensors],
      ]);
      const { tensors: found } = await readTensorFile(bytesSource(torchFile(value, [data])));
      expect([...found.keys()]).toEqual(['a']);
    }
    const message = (value: Uint8Array) =>
      rejection(readTensorFile(bytesSource(torchFile(value, [data]), 'x'))).then((e) => e.message);
    expect(await message(push.dict([['epoch', push.int(1)]]))).toBe(
      '"x" has no state dict: expected tensors, or a dict under state_dict, model_state_dict, model, module; it has the keys epoch',
    );
    expect(await message(rng)).toContain('"x" holds a single tensor, expected a state dict');
    expect(await message(push.tuple(tensors))).toContain('"x" holds a Python object');
  });

  it('refuses views that would take more memory than they have elements, where one is needed', () => {
    const check = (shape: number[], strides: number[]) => () =>
      checkStrides({ name: 'x' }, { name: 't', dtype: 'F32', shape, strides, offset: 0, byteLength: 4 });
    expect(check([2, 3], [1, 2])).not.toThrow();
    expect(check([4, 1, 3], [1, 99, 4])).not.toThrow();
    expect(check([1000, 1000], [0, 0])).toThrow(
      '"x": tensor t is a view whose elements overlap; save it with .contiguous()',
    );
    expect(check([3, 3], [1, 1])).toThrow('overlap');
    expect(check([10], [1_000_000])).toThrow('tensor t is a view of 10 elements spread over 9000001');
  });
});

const folder = readFolder('tiny-vit');
const WEIGHTS = 'open_clip_model.safetensors';
const { tensors } = readCheckpoint(folder[WEIGHTS]!);
const storages = tensors.map(({ data }) => data);
const config = { 'open_clip_config.json': folder['open_clip_config.json']! };

/** The model in a training checkpoint; the optimizer's storages come first, as in the order of the dict. */
function trainingCheckpoint(): Uint8Array {
  const moment = { ...tensors[0]!, name: 'exp_avg' };
  const value = push.dict([
    ['epoch', push.int(1)],
    ['name', push.text('x')],
    ['optimizer', push.dict([['state', stateDict([moment])]])],
    ['state_dict', stateDict(tensors, 'module.', 1)],
  ]);
  return torchFile(value, [new Uint8Array(moment.data.length).fill(0xff), ...storages]);
}

async function embeddings(model: string | ReturnType<typeof storeOf>, expected: Expected) {
  using clip = await loadClip(model, { precision: 'f32' });
  const image = await clip.encodeImage(syntheticPicture(expected.config.image_resolution), { normalize: false });
  return [image, ...(await clip.encodeTokens(expected.token_ids, { normalize: false }))];
}

const published = ({ image_embedding, text_embeddings }: Expected) => [image_embedding, ...text_embeddings];

it('of the older form only the beginning is read for the list of tensors, more of it if its pickles are longer', async () => {
  const old = readFileSync(goldenPath('torch/old.pt'));
  const read = async (bytes: Uint8Array) => {
    const plain = bytesSource(bytes, 'old.pt');
    let end = 0;
    const source: Source = {
      ...plain,
      readInto: (offset, target, signal) => {
        end = Math.max(end, offset + target.byteLength);
        return plain.readInto(offset, target, signal);
      },
    };
    const names = await readTensorFile(source).then(({ tensors }) => [...tensors.keys()], (error) => error.message); // biome-ignore format: one line
    return { end, names };
  };
  const long = new Uint8Array(20 << 20);
  long.set(old);
  expect(await read(long)).toEqual({ end: 256 << 10, names: ['module.weight', 'module.bias'] });
  // A text of a megabyte that nothing uses, before the pickle of the state dict.
  const at = old.indexOf(Buffer.from([0x80, 2, 0x7d]), old.indexOf('little_endian')) + 2;
  const text = concat(push.text('x'.repeat(1 << 20)), [0x30]);
  long.set(concat(old.subarray(0, at), text, old.subarray(at)));
  expect(await read(long)).toEqual({ end: 4 << 20, names: ['module.weight', 'module.bias'] });
  long.fill(0x4e, at); // nothing but None
  expect(await read(long)).toEqual({ end: 8_000_000, names: expect.stringContaining('"old.pt"') });
});

describe('R06: the checkpoint that training wrote', () => {
  const expected = readGolden('tiny-vit/expected.json');
  it.each<[string, () => Folder]>([
    ['a plain state dict', () => ({ 'open_clip_pytorch_model.bin': torchFile(stateDict(tensors), storages) })],
    ['a training checkpoint', () => ({ 'open_clip_pytorch_model.bin': trainingCheckpoint() })],
    ['with the name of another format', () => ({ 'open_clip_model.safetensors': trainingCheckpoint() })],
  ])('%s gives the bits of the safetensors file, and the published embeddings', async (_, files) => {
    const vectors = await embeddings(storeOf({ ...config, ...files() }), expected);
    expect(vectors).toEqual(await embeddings(storeOf(folder), expected));
    for (const [i, vector] of vectors.entries()) {
      expect(cosine(vector, published(expected)[i]!)).toBeGreaterThanOrEqual(0.999999);
      expect(largestError(vector, published(expected)[i]!)).toBeLessThanOrEqual(2e-5);
    }
  });

  it('is read by ranges: neither whole, nor the other tower, nor the optimizer', async () => {
    const bytes = trainingCheckpoint();
    const ranges: [number, number][] = [];
    const plain = bytesSource(bytes, 'checkpoint.pt');
    const source: Source = {
      ...plain,
      readInto: (offset, target, signal) => {
        ranges.push([offset, offset + target.byteLength]);
        return plain.readInto(offset, target, signal);
      },
    };
    const files = { ...storeOf(config), weights: 'checkpoint.pt', source: async () => source };
    (await loadClip(files, { towers: ['image'], precision: 'f32' })).dispose();
    const file = await readTensorFile(plain);
    const touched = (start: number, end: number) => ranges.some(([from, to]) => from < end && to > start);
    const isRead = (name: string) => {
      const { start, end } = file.tensors.get(`module.${name}`)!.entry!;
      return touched(start, end);
    };
    const read = tensors.map(({ name }) => name).filter(isRead);
    expect(read).toEqual(tensors.map(({ name }) => name).filter((name) => name.startsWith('visual.')));
    const optimizer = bytes.indexOf(0xff);
    expect(touched(optimizer, optimizer + tensors[0]!.data.length)).toBe(false);
    expect(ranges.reduce((sum, [from, to]) => sum + to - from, 0)).toBeLessThan(0.7 * bytes.length);
  });

  it('stored transposed gives the same bits', async () => {
    const views = push.dict(
      tensors.map(({ name, shape }, i) => {
        const elements = shape.reduce((a, b) => a * b, 1);
        const storage = push.storage('FloatStorage', String(i), elements);
        const [rows, columns] = shape;
        const strides =
          shape.length === 2 ? [1, rows!] : shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
        return [name, push.tensor(storage, 0, shape.length === 2 ? [rows!, columns!] : shape, strides)];
      }),
    );
    const turned = tensors.map(({ shape, data }) => {
      if (shape.length !== 2) return data;
      const [rows, columns] = shape as [number, number];
      const from = new Float32Array(data.buffer, data.byteOffset, rows * columns);
      const to = new Float32Array(rows * columns);
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c]!;
      return new Uint8Array(to.buffer);
    });
    const files = storeOf({ ...config, 'pytorch_model.bin': torchFile(views, turned) });
    expect(await embeddings(files, expected)).toEqual(await embeddings(storeOf(folder), expected));
  });
});

describe("OpenAI's TorchScript", () => {
  it('loads by its path, without a configuration, and gives the embeddings of PyTorch', async () => {
    const expected = readGolden('torch/openai.json');
    const vectors = await embeddings(goldenPath('torch/openai.pt'), expected);
    for (const [i, vector] of vectors.entries()) {
      expect(cosine(vector, published(expected)[i]!)).toBeGreaterThanOrEqual(0.999999);
      expect(largestError(vector, published(expected)[i]!)).toBeLessThanOrEqual(2e-5);
    }
  });

  it('has the configuration in the shapes of its tensors', async () => {
    const { tensors } = parseSafetensorsHeader(folder[WEIGHTS]!, 'x');
    const { model_cfg } = JSON.parse(new TextDecoder().decode(folder['open_clip_config.json']));
    const vision_cfg = { ...model_cfg.vision_cfg, head_width: 64 };
    expect(openaiConfig({ name: 'x', metadata: {}, torch: 'TorchScript', tensors })).toEqual({
      model_cfg: { ...model_cfg, vision_cfg },
    });
    expect(openaiConfig({ name: 'x', metadata: {}, torch: 'state dict', tensors })).toBeUndefined();
  });

  it('of a ResNet, too: that of its configuration file', () => {
    const { tensors: list } = readGolden<{ tensors: { name: string; shape: number[] }[] }>('tiny-rn/manifest.json');
    const tensors = new Map(list.map((tensor) => [tensor.name, { ...tensor, dtype: 'F16', offset: 0, byteLength: 0 }]));
    const derived = openaiConfig({ name: 'x', metadata: {}, torch: 'TorchScript', tensors });
    expect(parseConfig(derived)).toEqual(parseConfig(readGolden('tiny-rn/open_clip_config.json')));
  });

  it('of RN50, as its parts tell it', () => {
    const shapes: Record<string, number[]> = {
      'visual.conv1.weight': [32, 3, 3, 3],
      'visual.layer1.0.conv1.weight': [64, 64, 1, 1],
      'visual.attnpool.positional_embedding': [50, 2048],
      'transformer.resblocks.0.ln_1.weight': [512],
      'transformer.resblocks.0.ln_1.bias': [512],
      'transformer.resblocks.11.ln_1.weight': [512],
      'ln_final.weight': [512],
      text_projection: [512, 1024],
      positional_embedding: [77, 512],
      'token_embedding.weight': [49408, 512],
    };
    for (const [stage, blocks] of [3, 4, 6, 3].entries()) {
      for (let block = 0; block < blocks; block++) shapes[`visual.layer${stage + 1}.${block}.bn1.weight`] = [1];
    }
    const tensors = new Map(
      Object.entries(shapes).map(([name, shape]) => [name, { name, shape, dtype: 'F16', offset: 0, byteLength: 0 }]),
    );
    expect(openaiConfig({ name: 'x', metadata: {}, torch: 'TorchScript', tensors })).toEqual({
      model_cfg: {
        embed_dim: 1024,
        quick_gelu: true,
        vision_cfg: { image_size: 224, layers: [3, 4, 6, 3], width: 64 },
        text_cfg: { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 2 },
      },
    });
  });
});

describe('a model that is given as one file', () => {
  it('has its configuration beside it', async () => {
    const expected = readGolden('tiny-vit/expected.json');
    const byFile = await embeddings(goldenPath(`tiny-vit/${WEIGHTS}`), expected);
    expect(byFile).toEqual(await embeddings(goldenPath('tiny-vit'), expected));
  });

  it('is that file, whatever else is in the folder', async () => {
    const asked: string[] = [];
    const store = (directory: string) => {
      asked.push(directory);
      return storeOf({
        ...config,
        'my model.PT': torchFile(stateDict(tensors), storages),
        [WEIGHTS]: new Uint8Array(9),
      });
    };
    for (const path of ['some/my model.PT', 'my model.PT', 'C:\\models\\my model.PT', 'https://host/a/my model.PT']) {
      (await loadClip(singleFile(path, store)!)).dispose();
    }
    expect(asked).toEqual(['some/', './', 'C:\\models\\', 'https://host/a/']);
    for (const path of ['models/clip', 'models/x.pt/', 'model.onnx', '.'])
      expect(singleFile(path, store)).toBeUndefined();
  });

  it('without a configuration, or that is not there, is told', async () => {
    const only = { ...storeOf({ 'x.pt': torchFile(stateDict(tensors), storages) }, 'x.pt'), weights: 'x.pt' };
    expect(await rejection(readDescription(only))).toMatchObject({
      code: 'CONFIG',
      message:
        '"x.pt": there is no open_clip_config.json and no config.json beside it, and it is not OpenAI\'s own (TorchScript), which needs none: give one as loadClip(model, { config }), or --config FILE',
    });
    const missing = { ...storeOf(folder, 'y/x.pt'), weights: 'x.pt' };
    expect(await rejection(loadClip(missing))).toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: '"y/x.pt": no weights for the image tower; looked for x.pt',
    });
    expect(await rejection(loadClip('no/such/x.pt'))).toMatchObject({ code: 'IO' });
  });

  it('comes after safetensors in a folder', async () => {
    const broken = new Uint8Array(20);
    (
      await loadClip(storeOf({ ...folder, 'open_clip_pytorch_model.bin': broken, 'pytorch_model.bin': broken }))
    ).dispose();
  });
});
