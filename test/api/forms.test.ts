/** One model in many valid files: each must load, with the same bits. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import type { LoadOptions } from '../../src/load-options.ts';
import type { TensorData } from '../../src/weights/safetensors.ts';
import { cosine, readGolden, syntheticPicture } from '../model/golden.ts';
import { editTensors, type Folder, pack, readFolder, refusal, storeOf, utf8 } from './checkpoint.ts';

const { token_ids: ids } = readGolden('tiny-vit/expected.json');
const picture = syntheticPicture(80);
const OPENCLIP = 'open_clip_model.safetensors';
const HUGGING_FACE = 'model.safetensors';
const openclip = readFolder('tiny-vit');
const huggingface = readFolder('tiny-vit-hf');

/** The embeddings of the image and of the texts. */
async function embeddings(folder: Folder, options: LoadOptions = {}): Promise<Float32Array[]> {
  using clip = await loadClip(storeOf(folder), options);
  return [await clip.encodeImage(picture), ...(await clip.encodeTokens(ids))];
}

const precisions = ['int8', 'f32'] as const;

/** The same of the published weights, by precision. */
const published = {
  int8: await embeddings(huggingface),
  f32: await embeddings(huggingface, { precision: 'f32' }),
};

/** The folder with the header of its checkpoint rewritten by hand, the data left alone. */
function withHeader(folder: Folder, edit: (members: [string, unknown][]) => string): Folder {
  const bytes = folder[HUGGING_FACE];
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const text = utf8(edit(Object.entries(header)));
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, BigInt(text.length), true);
  return { ...folder, [HUGGING_FACE]: new Uint8Array(Buffer.concat([start, text, bytes.subarray(8 + length)])) };
}

const object = (members: [string, unknown][]) =>
  `{${members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;

const extra = (name: string, dtype: string, shape: number[], bytes: number): TensorData => ({
  name,
  dtype,
  shape,
  data: new Uint8Array(bytes).fill(0xff),
});

describe('R14: a checkpoint with unusual but valid contents gives the same bits', () => {
  it.each<[string, () => Folder]>([
    [
      'I64 position_ids of both towers',
      () =>
        editTensors(huggingface, HUGGING_FACE, (c) => ({
          ...c,
          tensors: [
            extra('text_model.embeddings.position_ids', 'I64', [1, 77], 77 * 8),
            ...c.tensors,
            extra('vision_model.embeddings.position_ids', 'I64', [1, 26], 26 * 8),
          ],
        })),
    ],
    [
      'a tensor of shape [0], first, in the middle and last',
      () =>
        editTensors(huggingface, HUGGING_FACE, (c) => ({
          ...c,
          tensors: [
            extra('scaled_fp8', 'F32', [0], 0),
            ...c.tensors.slice(0, 5),
            extra('b', 'F32', [0], 0),
            ...c.tensors.slice(5),
            extra('c', 'F8_E4M3', [0, 4], 0),
          ],
        })),
    ],
    [
      'an unknown type',
      () =>
        editTensors(huggingface, HUGGING_FACE, (c) => ({ ...c, tensors: [...c.tensors, extra('x', 'BOOL', [3], 3)] })),
    ],
    [
      'empty __metadata__',
      () =>
        withHeader(huggingface, (members) =>
          object([['__metadata__', {}], ...members.filter(([key]) => key !== '__metadata__')]),
        ),
    ],
    [
      'no __metadata__',
      () => withHeader(huggingface, (members) => object(members.filter(([key]) => key !== '__metadata__'))),
    ],
    [
      'header keys out of the order of their offsets',
      () => withHeader(huggingface, (members) => object(members.toReversed())),
    ],
    ['a header padded with spaces', () => withHeader(huggingface, (members) => object(members) + ' '.repeat(5001))],
    ['data at an odd address', () => withHeader(huggingface, (members) => `${object(members).padEnd(20_001)}`)],
  ])('%s', async (_, make) => {
    const model = make();
    expect(model[HUGGING_FACE].length).not.toBe(huggingface[HUGGING_FACE].length);
    for (const precision of precisions) {
      expect(await embeddings(model, { precision })).toEqual(published[precision]);
    }
  });
});

describe('R06: weights under the names that training gives them', () => {
  it.each(['module.', '_orig_mod.', 'module._orig_mod.', 'model.'])('prefix %s', async (prefix) => {
    const model = editTensors(openclip, OPENCLIP, (c) => ({
      ...c,
      tensors: [
        ...c.tensors.map((tensor) => ({ ...tensor, name: prefix + tensor.name })),
        extra('optimizer.state.0.exp_avg', 'F32', [2], 8), // NaN, were it read
      ],
    }));
    expect(await embeddings(model)).toEqual(published.int8);
  });
});

describe('half precision', () => {
  /** Nearest even, as torch rounds; subnormals and overflow do not occur in these weights. */
  const toHalf = (value: number): number => {
    if (Math.abs(value) < 2 ** -14) return Math.round(Math.abs(value) * 2 ** 24) | (value < 0 ? 0x8000 : 0);
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
    const rounded = bits + 0xfff + ((bits >> 13) & 1);
    return ((bits >>> 16) & 0x8000) | (((rounded & 0x7fffffff) - (112 << 23)) >>> 13);
  };
  const toBfloat = (value: number): number => {
    const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
    return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  };

  it.each([
    ['F16', toHalf],
    ['BF16', toBfloat],
  ])('%s weights give nearly the same', async (dtype, convert) => {
    const model = editTensors(openclip, OPENCLIP, (c) => ({
      ...c,
      tensors: c.tensors.map((tensor) => {
        const halves = Uint16Array.from(new Float32Array(tensor.data.buffer), convert);
        return { ...tensor, dtype, data: new Uint8Array(halves.buffer) };
      }),
    }));
    expect(model[OPENCLIP].length).toBeLessThan(openclip[OPENCLIP].length * 0.51);
    for (const precision of precisions) {
      const whole = published[precision];
      const half = await embeddings(model, { precision });
      expect(half).not.toEqual(whole);
      for (const [i, vector] of half.entries()) expect(cosine(vector, whole[i])).toBeGreaterThan(0.999);
    }
  });

  it('weights that float32 holds give the same bits from F64', async () => {
    const model = editTensors(openclip, OPENCLIP, (c) => ({
      ...c,
      tensors: c.tensors.map((tensor) => {
        const doubles = Float64Array.from(new Float32Array(tensor.data.buffer));
        return { ...tensor, dtype: 'F64', data: new Uint8Array(doubles.buffer) };
      }),
    }));
    expect(await embeddings(model)).toEqual(published.int8);
  });
});

describe.each([
  ['tiny-vit', openclip],
  ['tiny-vit-hf', huggingface],
])('%s packed', (_, folder) => {
  it.each(precisions)('in %s gives the bits of the published weights', async (precision) => {
    const packed = await pack(folder, precision);
    expect(Object.keys(packed)).toEqual(expect.arrayContaining(['image.safetensors', 'text.safetensors']));
    expect(await embeddings(packed, { precision })).toEqual(published[precision]);
  });

  it('in int8 is a quarter of the size, loads a tower from its own file, and can be unpacked to f32', async () => {
    const packed = await pack(folder);
    const size = packed['image.safetensors'].length + packed['text.safetensors'].length;
    expect(size).toBeLessThan(0.35 * Object.values(folder).reduce((sum, file) => sum + file.length, 0));

    const { 'text.safetensors': _text, ...imageOnly } = packed;
    using image = await loadClip(storeOf(imageOnly), { towers: ['image'] });
    expect(await image.encodeImage(picture)).toEqual(published.int8[0]);
    expect(await refusal(imageOnly)).toMatchObject({ code: 'WEIGHTS_MISSING' });

    const unpacked = await embeddings(packed, { precision: 'f32' });
    for (const [i, vector] of unpacked.entries()) {
      expect(cosine(vector, published.f32[i])).toBeGreaterThan(0.9995);
      // The weights are the integers' values, so only the activations differ from int8.
      expect(1 - cosine(vector, published.int8[i])).toBeLessThan(1e-5);
      expect(vector).not.toEqual(published.int8[i]);
    }
  });

  it('keeps the logit scale', async () => {
    using before = await loadClip(storeOf(folder), { towers: ['text'] });
    using packed = await loadClip(storeOf(await pack(folder)), { towers: ['text'] });
    expect(packed.logitScale).toBe(before.logitScale);
    expect(packed.logitScale).toBeCloseTo(100, 3);
  });
});

it('the same weights under the names of OpenCLIP and of Hugging Face give the same bits', async () => {
  for (const precision of precisions) {
    expect(await embeddings(openclip, { precision })).toEqual(published[precision]);
  }
});
