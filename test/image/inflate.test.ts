/** The inflate kernel against zlib, which is in Node.js. */

import { readFileSync } from 'node:fs';
import { constants, deflateSync, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/crc32.ts';
import { Inflater } from '../../src/image/inflater.ts';
import { Workspace } from '../../src/image/workspace.ts';
import { Random } from '../kernels/random.ts';

const file = (path: string) => new WebAssembly.Module(readFileSync(new URL(`../../${path}`, import.meta.url)));

describe.each([
  ['debug', file('build/pictures-debug.wasm'), 40],
  ['release', file('dist/pictures.wasm'), 120],
])('the %s build', (_, module, rounds) => {
  const workspace = new Workspace(module);
  const inflater = new Inflater(workspace, 70_000);

  /** The output, or why there is none. `piece` and `most`: bytes of the next input and output. */
  function inflate(stream: Uint8Array, piece: () => number, most: () => number): Uint8Array | 'input' | 'damaged' {
    inflater.restart();
    const parts: Uint8Array[] = [];
    for (let at = 0; ; ) {
      const part = stream.subarray(at, at + Math.min(piece(), inflater.room));
      if (part.length === 0 && at > 0) return 'input';
      if (inflater.feed(part, 0) !== crc32(part)) throw new Error('another CRC-32');
      at += part.length;
      for (;;) {
        const limit = most();
        const result = inflater.run(limit);
        if (inflater.available > limit + 259) throw new Error(`${inflater.available} bytes instead of ${limit}`);
        parts.push(workspace.bytes.slice(inflater.at, inflater.at + inflater.available));
        inflater.take(inflater.available);
        if (result === 'done') return inflater.isIntact ? Buffer.concat(parts) : 'damaged';
        if (result === 'damaged') return result;
        if (result === 'input') break;
      }
    }
  }

  const random = new Random(18);
  /** Noise, few values, a ramp, repeats of all distances, zeros. */
  function someData(kind: number, bytes: number): Uint8Array {
    const data = new Uint8Array(bytes);
    for (let i = 0; i < bytes; i++) {
      const back = random.integer(1, kind === 3 ? 20 : 40_000);
      if (kind === 0) data[i] = random.integer(0, 255);
      else if (kind === 1) data[i] = random.integer(0, 3);
      else if (kind === 2) data[i] = i % 7;
      else if (kind < 5) data[i] = i >= back && random.next() < 0.97 ? data[i - back]! : random.integer(0, 255);
    }
    return data;
  }
  const anyOf = <T>(...values: T[]) => values[random.integer(0, values.length - 1)]!;
  const options = () => ({
    level: random.integer(0, 9),
    memLevel: random.integer(1, 9),
    windowBits: random.integer(9, 15),
    strategy: anyOf(constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE),
  });

  it('gives what zlib took, in any pieces', () => {
    for (let round = 0; round < rounds; round++) {
      const data = someData(round % 6, random.integer(0, round % 10 === 0 ? 60_000 : 2000));
      const stream = deflateSync(data, options());
      const piece = anyOf(
        () => 65_536,
        () => 1,
        () => random.integer(1, 20),
        () => random.integer(1, 5000),
      );
      const most = anyOf(
        () => 70_000,
        () => 1,
        () => random.integer(1, 30),
        () => random.integer(1, 3000),
      );
      const output = inflate(stream, piece, most);
      expect(Buffer.isBuffer(output) && output.equals(data), `round ${round}`).toBe(true);
    }
  });

  it('refuses what zlib refuses', () => {
    const verdicts = { input: 0, damaged: 0, whole: 0 };
    for (let round = 0; round < 10 * rounds; round++) {
      const stream = deflateSync(someData(round % 6, random.integer(1, 400)), options());
      for (let flips = random.integer(1, 3); flips > 0; flips--) {
        // Often in the first bytes, where headers and code lengths are.
        const at = random.integer(0, Math.min(stream.length, anyOf(3, 40, 4000)) - 1);
        stream[at]! ^= 1 << random.integer(0, 7);
      }
      const output = inflate(
        stream,
        () => random.integer(1, 50),
        () => random.integer(1, 500),
      );
      let expected: Uint8Array | string;
      try {
        expected = inflateSync(stream);
      } catch (error) {
        expected = (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'input' : 'damaged';
      }
      const same = typeof output === 'string' ? output === expected : output.every((byte, i) => byte === expected[i]);
      expect(same && output.length === expected.length, `round ${round}`).toBe(true);
      verdicts[typeof output === 'string' ? output : 'whole']++;
    }
    for (const count of Object.values(verdicts)) expect(count).toBeGreaterThan(rounds / 20);
  });

  it.each([
    ['a window of 64 kB', [0x88, 0x1c]],
    ['a dictionary', [0x78, 0xbb]],
    ['another method', [0x77, 0x85]],
    ['a header that is not a multiple of 31', [0x78, 0x9d]],
    ['a block of the reserved kind', [0x78, 0x9c, 0b111]],
    ['a stored block whose length is not repeated', [0x78, 0x9c, 1, 5, 0, 5, 0]],
    ['287 length symbols', [0x78, 0x9c, 0b11110_101, 0, 0, 0, 0]],
    ['31 distance symbols', [0x78, 0x9c, 0b00000_101, 0b11110, 0, 0, 0]],
    ['a match before the first byte', [0x78, 0x9c, 0x03, 0x02, 0, 0]],
  ])('refuses %s', (_, bytes) => {
    expect(
      inflate(
        Uint8Array.from(bytes),
        () => 1,
        () => 100,
      ),
    ).toBe('damaged');
    expect(() => inflateSync(Uint8Array.from(bytes))).toThrow(/./);
  });

  it('repeats bytes from every distance', () => {
    for (let distance = 1; distance <= 40; distance++) {
      const pattern = random.bytes(distance);
      const data = Uint8Array.from({ length: 700 }, (_, i) => pattern[i % distance]!);
      expect(
        inflate(
          deflateSync(data),
          () => 65_536,
          () => 70_000,
        ),
      ).toEqual(Buffer.from(data));
    }
  });
});
