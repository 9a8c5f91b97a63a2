import { describe, expect, it } from 'vitest';
import { sumsFromText, sumsToText, xxh32 } from '../../src/weights/checksum.ts';
import { Random } from '../kernels/random.ts';

describe('xxh32', () => {
  // Of the published library (Python's xxhash): bytes i² + 7i, modulo 256.
  it.each([
    [0, 0x02cc5d05],
    [4, 0x1131fe98],
    [8, 0x5a4aa1c7],
    [12, 0xdcfe0250],
    [16, 0x2f82b173],
    [20, 0x70e75ac9],
    [28, 0xcc80b210],
    [32, 0xf7b6efea],
    [100, 0x46c32851],
    [4096, 0x1944d770],
  ])('of %i bytes is what the published library gives', (length, expected) => {
    expect(xxh32(Uint8Array.from({ length }, (_, i) => i * i + 7 * i))).toBe(expected);
  });

  it('changes with every single bit, and with every word', () => {
    const bytes = new Random(1).bytes(84);
    const sum = xxh32(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(xxh32(bytes), `bit ${bit}`).not.toBe(sum);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    for (let at = 0; at < bytes.length; at += 4) {
      const zeroed = bytes.slice();
      zeroed.fill(0, at, at + 4);
      expect(xxh32(zeroed)).not.toBe(sum);
    }
    expect(xxh32(bytes)).toBe(sum);
  });
});

describe('checksums as text', () => {
  it('are eight digits each, and read back', () => {
    const sums = [0, 1, 0xffffffff, 0x80000000];
    expect(sumsToText(sums)).toBe('0000000000000001ffffffff80000000');
    expect(sumsFromText(sumsToText(sums), 4)).toEqual(sums);
  });

  it.each([undefined, '', '0000000', '0000000g', '000000000', '0000000A'])('are not %j', (text) => {
    expect(sumsFromText(text, 1)).toBeUndefined();
  });
});
