// The checksums of PNG and zlib: CRC-32 (PNG specification, annex D) and Adler-32 (RFC 1950).

import { CRC_TABLES } from '../../src/image/contract';

/** The polynomial, reflected. */
const POLYNOMIAL: u32 = 0xedb88320;

/** Fills u32 [CRC_TABLES][256] at `tables`: what byte b does to the register after 1, 2, .. bytes. */
export function crcTables(tables: usize): void {
  for (let b: u32 = 0; b < 256; b++) {
    let crc = b;
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    store<u32>(tables + (b << 2), crc);
  }
  const end = tables + CRC_TABLES * 1024;
  for (let at = tables + 1024; at < end; at += 4) {
    const crc = load<u32>(at - 1024);
    store<u32>(at, (crc >> 8) ^ load<u32>(tables + ((crc & 255) << 2)));
  }
}

/** The CRC-32 of `bytes` bytes at `at` behind others whose sum is `before`; sixteen bytes a step. */
export function crc32(tables: usize, before: u32, at: usize, bytes: usize): u32 {
  let crc = ~before;
  const end = at + bytes;
  while (at + 16 <= end) {
    // The byte with n others of the step behind it goes through table n.
    const w0 = load<u32>(at) ^ crc;
    const w1 = load<u32>(at, 4);
    const w2 = load<u32>(at, 8);
    const w3 = load<u32>(at, 12);
    crc =
      load<u32>(tables + ((w0 << 2) & 1020), 15360) ^ load<u32>(tables + ((w0 >> 6) & 1020), 14336) ^ load<u32>(tables + ((w0 >> 14) & 1020), 13312) ^ load<u32>(tables + ((w0 >> 22) & 1020), 12288) ^
      load<u32>(tables + ((w1 << 2) & 1020), 11264) ^ load<u32>(tables + ((w1 >> 6) & 1020), 10240) ^ load<u32>(tables + ((w1 >> 14) & 1020), 9216) ^ load<u32>(tables + ((w1 >> 22) & 1020), 8192) ^
      load<u32>(tables + ((w2 << 2) & 1020), 7168) ^ load<u32>(tables + ((w2 >> 6) & 1020), 6144) ^ load<u32>(tables + ((w2 >> 14) & 1020), 5120) ^ load<u32>(tables + ((w2 >> 22) & 1020), 4096) ^
      load<u32>(tables + ((w3 << 2) & 1020), 3072) ^ load<u32>(tables + ((w3 >> 6) & 1020), 2048) ^ load<u32>(tables + ((w3 >> 14) & 1020), 1024) ^ load<u32>(tables + ((w3 >> 22) & 1020));
    at += 16;
  }
  while (at < end) {
    crc = (crc >> 8) ^ load<u32>(tables + (((crc ^ load<u8>(at)) & 255) << 2));
    at++;
  }
  return ~crc;
}

const ADLER: u32 = 65521;
/** Steps of sixteen bytes between two reductions: the sums stay below 2^32 (5552 bytes, as in zlib). */
const ADLER_STEPS: usize = 347;

/**
 * The Adler-32 of `bytes` bytes at `at` behind others whose sum is `before` (1 at the start). With a and b before a step of bytes
 * x0 .. x15, a' = a + x0 + .. + x15 and b' = b + 16 a + 16 x0 + 15 x1 + .. + 1 x15:
 *
 *   x0 .. x7  -> i16 . 16 15 .. 9     x8 .. x15 -> i16 . 8 7 .. 1    four lanes of the weighted sum
 *   x0 .. x15 -> added in pairs, twice                               four lanes of the plain sum; the sums before it, for 16 a
 */
export function adler32(before: u32, at: usize, bytes: usize): u32 {
  let a = before & 0xffff;
  let b = before >> 16;
  const end = at + bytes;
  const first = i16x8(16, 15, 14, 13, 12, 11, 10, 9);
  const second = i16x8(8, 7, 6, 5, 4, 3, 2, 1);
  while (at + 16 <= end) {
    const steps = min((end - at) >> 4, ADLER_STEPS);
    const stop = at + (steps << 4);
    let plain = i32x4.splat(0);
    let earlier = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    while (at < stop) {
      const x = v128.load(at);
      earlier = i32x4.add(earlier, plain);
      plain = i32x4.add(plain, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(x)));
      weighted = i32x4.add(weighted, i32x4.add(
        i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(x), first),
        i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(x), second),
      ));
      at += 16;
    }
    b += a * <u32>(steps << 4) + (sum(earlier) << 4) + sum(weighted);
    a = (a + sum(plain)) % ADLER;
    b %= ADLER;
  }
  while (at < end) {
    a += load<u8>(at);
    b += a;
    at++;
  }
  return ((b % ADLER) << 16) | (a % ADLER);
}

// @ts-expect-error: decorator
@inline
function sum(v: v128): u32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}
