import { describe, expect, it } from 'vitest';
import { decodeElements, readFloats, readTensor } from '../../src/weights/elements.ts';
import { bytesSource, type Source } from '../../src/weights/source.ts';
import type { TensorInfo } from '../../src/weights/tensor-file.ts';

/** A source with these bytes after three others (so that nothing is aligned), and the tensor that describes them. */
function stored(dtype: string, shape: number[], data: ArrayBufferView): { source: Source; tensor: TensorInfo } {
  const bytes = new Uint8Array(3 + data.byteLength);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 3);
  return {
    source: bytesSource(bytes, 'x'),
    tensor: { name: 't', dtype, shape, offset: 3, byteLength: data.byteLength },
  };
}

const all16 = Uint16Array.from({ length: 65_536 }, (_, i) => i);
const bitsOf = (floats: Float32Array) => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

/** binary16 by its definition, in float64. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

describe('readTensor', () => {
  it('reads all 65,536 values of F16', async () => {
    const { source, tensor } = stored('F16', [256, 256], all16);
    const floats = await readTensor(source, tensor);
    for (let i = 0; i < 65_536; i++) {
      if (!Object.is(floats[i], halfValue(i))) expect.fail(`${i.toString(16)}: ${floats[i]}, not ${halfValue(i)}`);
    }
  });

  it('reads all 65,536 values of BF16, the upper halves of float32', async () => {
    const { source, tensor } = stored('BF16', [65_536], all16);
    const bits = bitsOf(await readTensor(source, tensor));
    for (let i = 0; i < 65_536; i++) if (bits[i] !== i * 65_536) expect.fail(`${i}: ${bits[i]}`);
  });

  it.each([
    ['F32', Float32Array.from([-1.5, 1e-45, 3.4e38, 0.1, -0])],
    ['F64', Float64Array.from([-1.5, 2 ** -149, 65_536, 0.5, 3])],
  ])('reads %s exactly', async (dtype, values) => {
    const { source, tensor } = stored(dtype, [5], values);
    expect([...(await readTensor(source, tensor))]).toEqual([...values]);
  });

  it('fills an array that is given, F32 without another buffer', async () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => i / 3);
    const { source, tensor } = stored('F32', [1000], values);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const into = new Float32Array(memory.buffer, 64, 1000);
    const targets: ArrayBufferLike[] = [];
    const spy: Source = {
      ...source,
      readInto: (offset, target) => {
        targets.push(target.buffer);
        return source.readInto(offset, target);
      },
    };
    expect(await readTensor(spy, tensor, { into })).toBe(into);
    expect([...into]).toEqual([...values]);
    expect(targets).toEqual([memory.buffer]);
    await expect(readTensor(source, tensor, { into: into.subarray(1) })).rejects.toThrow(RangeError);
  });

  it('reads an empty tensor and a single number', async () => {
    const empty = stored('F32', [3, 0], new Uint8Array(0));
    expect((await readTensor(empty.source, empty.tensor)).length).toBe(0);
    const one = stored('F16', [], Uint16Array.from([0x3c00]));
    expect([...(await readTensor(one.source, one.tensor))]).toEqual([1]);
  });

  it.each(['F32', 'F16', 'BF16', 'F64'])('finds what is not finite in %s if asked to', async (dtype) => {
    const floats = Float32Array.from({ length: 30 }, (_, i) => i);
    for (const [bad, said] of [
      [Number.NaN, 'NaN'],
      [Number.POSITIVE_INFINITY, 'Infinity'],
    ] as const) {
      floats[17] = bad;
      const data =
        dtype === 'F32'
          ? floats
          : dtype === 'F64'
            ? Float64Array.from(floats)
            : Uint16Array.from(floats, (value) =>
                Number.isFinite(value) ? 0 : (dtype === 'F16' ? 0x7c00 : 0x7f80) + (Number.isNaN(value) ? 1 : 0),
              );
      const { source, tensor } = stored(dtype, [5, 6], data);
      const read = readTensor(source, tensor, { finite: true, chunkBytes: 16 });
      await expect(read).rejects.toMatchObject({
        code: 'WEIGHTS_VALUE',
        message: `"x": tensor t has ${said} at index [2, 5]`,
      });
      expect((await readTensor(source, tensor))[17]).toBe(bad);
    }
  });

  it.each(['F8_E4M3', 'F8_E5M2', 'U8', 'I8', 'I16', 'I32', 'I64', 'BOOL'])(
    'refuses the element type %s, naming tensor and type: integers are not weights',
    async (dtype) => {
      const { source, tensor } = stored(dtype, [4], new Uint8Array(4));
      await expect(readTensor(source, tensor)).rejects.toMatchObject({
        code: 'WEIGHTS_DTYPE',
        message: `"x": tensor t has the element type ${dtype}, expected one of F32, F16, BF16, F64`,
      });
    },
  );
});

describe('readFloats', () => {
  it('never holds more than a chunk', async () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => i);
    const { source, tensor } = stored('F32', [10, 100], values);
    const lengths: number[] = [];
    const got: number[] = [];
    for await (const piece of readFloats(source, tensor, { chunkBytes: 1200 })) {
      lengths.push(piece.length);
      got.push(...piece);
    }
    expect(lengths).toEqual([300, 300, 300, 100]);
    expect(got).toEqual([...values]);
  });

  it('stops between chunks when aborted', async () => {
    const { source, tensor } = stored('F32', [100], new Float32Array(100));
    const controller = new AbortController();
    const reason = new Error('enough');
    let pieces = 0;
    const run = async () => {
      for await (const _ of readFloats(source, tensor, { chunkBytes: 40, signal: controller.signal })) {
        pieces++;
        controller.abort(reason);
      }
    };
    await expect(run()).rejects.toBe(reason);
    expect(pieces).toBe(1);
  });
});

describe('decodeElements on a big-endian host', () => {
  it.each([
    ['F32', Float32Array.from([1.5, -2])],
    ['F64', Float64Array.from([1.5, -2])],
    ['F16', Uint16Array.from([0x3c00, 0xc000])],
  ] as const)('turns the bytes of %s first', (dtype, values) => {
    const little = new Uint8Array(values.buffer.slice(0));
    const size = values.BYTES_PER_ELEMENT;
    const expected = new Float32Array(2);
    decodeElements(little.slice(), dtype, expected);
    // What such a host would see as the file's bytes is, here, every element reversed.
    const file = little.slice();
    for (let i = 0; i < file.length; i += size) file.subarray(i, i + size).reverse();
    const floats = new Float32Array(2);
    decodeElements(file, dtype, floats, false);
    expect([...floats]).toEqual([...expected]);
  });
});
