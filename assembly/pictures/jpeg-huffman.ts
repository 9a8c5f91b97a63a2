// Huffman codes of JPEG (ITU T.81, annexes C and F): derived tables, and the bit buffer.
//
// The bit buffer is 64 bits wide, the next bit on top. A code is looked up by its first LOOKUP_BITS bits:
//
//   | value, i16 | size | run | length |     31..16   15..12   11..8   7..0
//
// Where code and value together are short enough, the entry has the coefficient itself (value, never 0) and the length of
// both. Else value is 0, and the entry has the code's length, the run of zeros and the size of the value. Length 0: a longer code.

import {
  HUFFMAN_COUNTS, HUFFMAN_LONG, HUFFMAN_VALUES, LOOKUP_BITS, SCAN_BITS, SCAN_COUNT, SCAN_END, SCAN_NEXT, SCAN_PADDING,
} from '../../src/image/contract';

/** The value that `size` bits stand for (figure F.12). */
@inline
export function extend(bits: i32, size: i32): i32 {
  return bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
}

/**
 * Derives the look-up of a table from its counts and values, which are at HUFFMAN_COUNTS and HUFFMAN_VALUES of it.
 * Returns 0 if they make no code (libjpeg's checks: 256 values at most, no code of ones only, a DC value is at most 15).
 */
export function buildHuffman(table: usize, isDc: i32): i32 {
  const counts = table + HUFFMAN_COUNTS;
  const values = table + HUFFMAN_VALUES;
  memory.fill(table, 0, 4 << LOOKUP_BITS);
  let code = 0;
  let index = 0;
  let seen = false;
  for (let length = 1; length <= 16; length++) {
    const count = <i32>load<u8>(counts + <usize>(length - 1));
    const long = table + HUFFMAN_LONG + (<usize>length << 3);
    store<i32>(long, count > 0 ? code + count - 1 : -1);
    store<i32>(long, index - code, 4);
    if (index + count > 256) return 0;
    for (let i = 0; i < count; i++) {
      const value = <i32>load<u8>(values + <usize>(index + i));
      if (isDc && value > 15) return 0;
      if (length <= LOOKUP_BITS && code + i < 1 << length) fill(table, code + i, length, value);
    }
    index += count;
    code += count;
    if (count > 0) seen = true;
    if (seen && code >= 1 << length) return 0;
    code <<= 1;
  }
  return 1;
}

/** The entries of a code of `length` bits. */
function fill(table: usize, code: i32, length: i32, symbol: i32): void {
  const size = symbol & 15;
  const rest = LOOKUP_BITS - length;
  for (let tail = 0; tail < 1 << rest; tail++) {
    let entry = (size << 12) | ((symbol >> 4) << 8) | length;
    if (size > 0 && size <= rest) {
      const value = extend(tail >> (rest - size), size);
      entry = (value << 16) | ((symbol >> 4) << 8) | (length + size);
    }
    store<i32>(table + (<usize>((code << rest) + tail) << 2), entry);
  }
}

/**
 * Fills the bit buffer to more than 56 bits, byte by byte: a byte 0xff is data if zero follows. At a marker, and behind the
 * end of the file, zeros are appended, and counted.
 */
export function refill(scan: usize): void {
  let bits = load<u64>(scan, SCAN_BITS);
  let count = load<i32>(scan, SCAN_COUNT);
  let next = <usize>load<u32>(scan, SCAN_NEXT);
  const end = <usize>load<u32>(scan, SCAN_END);
  while (count <= 56) {
    let after = next + 1;
    let byte: u32 = 0;
    if (next < end) {
      byte = load<u8>(next);
      if (byte == 0xff) {
        while (after < end && load<u8>(after) == 0xff) after++;
        if (after >= end || load<u8>(after) != 0) after = 0;
        else after++;
      }
    } else {
      after = 0;
    }
    if (after == 0) {
      store<i32>(scan, load<i32>(scan, SCAN_PADDING) + 64 - count, SCAN_PADDING);
      count = 64;
      break;
    }
    bits |= (<u64>byte) << (56 - count);
    count += 8;
    next = after;
  }
  store<u64>(scan, bits, SCAN_BITS);
  store<i32>(scan, count, SCAN_COUNT);
  store<u32>(scan, <u32>next, SCAN_NEXT);
}

/** Makes sure of 32 bits. */
@inline
export function ensure(scan: usize): void {
  if (load<i32>(scan, SCAN_COUNT) < 32) refill(scan);
}

/** Takes `n` bits, 1 to 16. */
@inline
export function take(scan: usize, n: i32): i32 {
  const bits = load<u64>(scan, SCAN_BITS);
  store<u64>(scan, bits << n, SCAN_BITS);
  store<i32>(scan, load<i32>(scan, SCAN_COUNT) - n, SCAN_COUNT);
  return <i32>(bits >> (64 - n));
}

/** A code longer than the look-up: its length in the upper half, its symbol in the lower. 17 bits that are not a code are 0, as in libjpeg. */
export function longCode(table: usize, bits: u64): i32 {
  for (let length = LOOKUP_BITS + 1; length <= 16; length++) {
    const code = <i32>(bits >> (64 - length));
    const long = table + HUFFMAN_LONG + (<usize>length << 3);
    if (code <= load<i32>(long)) {
      return (length << 16) | <i32>load<u8>(table + HUFFMAN_VALUES + <usize>((code + load<i32>(long, 4)) & 255));
    }
  }
  return 17 << 16;
}

/** The next symbol. At least 17 bits must be there. */
export function symbol(scan: usize, table: usize): i32 {
  const bits = load<u64>(scan, SCAN_BITS);
  const entry = load<i32>(table + ((<usize>(bits >> (64 - LOOKUP_BITS))) << 2));
  let length = entry & 255;
  let found = 0;
  if (length == 0) {
    const long = longCode(table, bits);
    length = long >> 16;
    found = long & 0xffff;
  } else if (entry >> 16 != 0) {
    // The entry has the value as well: its size is that of its magnitude.
    const size = 32 - clz(abs(entry >> 16));
    length -= size;
    found = (((entry >> 8) & 15) << 4) | size;
  } else {
    found = (((entry >> 8) & 15) << 4) | ((entry >> 12) & 15);
  }
  store<u64>(scan, bits << length, SCAN_BITS);
  store<i32>(scan, load<i32>(scan, SCAN_COUNT) - length, SCAN_COUNT);
  return found;
}
