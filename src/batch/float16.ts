/** float16 (IEEE 754 binary16), as vectors of half the size are stored. */

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** The bits of the nearest float16, ties to even. Beyond 65,504 it is infinite; NaN stays NaN. */
export function float16(x: number): number {
  FLOAT[0] = x;
  const bits = BITS[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the least normal number, 2^-14: adding 0.5 lets the hardware round to multiples of 2^-24.
    BITS[0] = magnitude;
    FLOAT[0] = (FLOAT[0] as number) + 0.5;
    return sign | ((BITS[0] as number) - 0x3f000000);
  }
  // The exponent's offset from 127 to 15, and half of a last place, a little less where the last bit kept is even.
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
  return sign | (rounded >>> 13);
}

/** The bytes of each float16 that was asked for, little-endian: 65,536 at most, instead of an array for each number of a part. */
const BYTES: (Uint8Array | undefined)[] = [];

/** The two bytes of the nearest float16; not to be changed. */
export function float16Bytes(x: number): Uint8Array {
  const bits = float16(x);
  const known = BYTES[bits];
  if (known) return known;
  const bytes = Uint8Array.of(bits & 0xff, bits >>> 8);
  BYTES[bits] = bytes;
  return bytes;
}
