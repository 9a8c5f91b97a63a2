// The decoding tables of DEFLATE's Huffman codes (RFC 1951, 3.2.2): made of code lengths, read by assembly/pictures/inflate.ts.
//
// The next INFLATE_LENGTH_BITS (or INFLATE_DISTANCE_BITS) bits are the index of a u32; longer codes go on in a second table
// behind the first. Fewer bits are used if no code of the block is as long.
//
//   | 31        16 | 15      | 14     | 13  | 12      | 11         8 | 7         0 |
//   | literal      | LITERAL | 0      | 0   | 0       |              | code bits   |
//   | base         | 0       | 0      | 0   | 0       | code bits    | code + extra bits |   a length or a distance
//   | second table | 0       | SECOND | 0   | 0       | its bits     | code bits so far  |
//   |              | 0       | 0      | END | 0       |              | code bits   |   end of block
//   |              | 0       | 0      | 0   | INVALID |              | code bits   |   no code, or a symbol that means nothing

import {
  INFLATE_CODES, INFLATE_DISTANCE_BITS, INFLATE_DISTANCE_ENTRIES, INFLATE_DISTANCE_SIZE, INFLATE_DISTANCES, INFLATE_FIXED,
  INFLATE_LENGTH_BITS, INFLATE_LENGTH_ENTRIES, INFLATE_LENGTH_SIZE, INFLATE_LENGTHS, INFLATE_SCRATCH,
} from '../../src/image/contract';

export const LITERAL: u32 = 1 << 15;
export const SECOND: u32 = 1 << 14;
export const END: u32 = 1 << 13;
export const INVALID: u32 = 1 << 12;
/** Any of these, or LITERAL, is not a length or distance. */
export const SPECIAL: u32 = SECOND | END | INVALID;

/** Symbols of the three alphabets: literals, lengths and end; distances; and the code lengths of those. */
export const LENGTH_SYMBOLS: u32 = 286;
const FIXED_LENGTH_SYMBOLS = 288;
export const DISTANCE_SYMBOLS: u32 = 30;
const FIXED_DISTANCE_SYMBOLS = 32;
export const RAW_SYMBOLS = 19;
export const END_OF_BLOCK: u32 = 256;
const LONGEST_CODE: u32 = 15;
/** Bits of the table for code lengths, whose codes have at most 7. It is made where the table of distances will be. */
const RAW_BITS = 7;

/** Kinds of tables. */
const OF_LENGTHS = 0;
const OF_DISTANCES = 1;
const OF_RAW = 2;

/** Extra bits of length symbol 257 + i (RFC 1951, 3.2.5), and its base: 3 to 258. */
// @ts-expect-error: decorator
@inline
function lengthEntry(i: u32): u32 {
  if (i < 8) return (3 + i) << 16;
  if (i == 28) return 258 << 16;
  const extra = (i >> 2) - 1;
  return ((3 + ((4 + (i & 3)) << extra)) << 16) | extra;
}

/** Extra bits of distance symbol i, and its base: 1 to 24577. */
// @ts-expect-error: decorator
@inline
function distanceEntry(i: u32): u32 {
  if (i < 4) return (1 + i) << 16;
  const extra = (i >> 1) - 1;
  return ((1 + ((2 + (i & 1)) << extra)) << 16) | extra;
}

/** What a table's entry says about a symbol, without its code's length: the extra bits stand in the low byte. */
function symbolEntry(kind: i32, symbol: u32): u32 {
  if (kind == OF_RAW) return (symbol << 16) | LITERAL;
  if (kind == OF_DISTANCES) return symbol < DISTANCE_SYMBOLS ? distanceEntry(symbol) : INVALID;
  if (symbol < END_OF_BLOCK) return (symbol << 16) | LITERAL;
  if (symbol == END_OF_BLOCK) return END;
  return symbol < LENGTH_SYMBOLS ? lengthEntry(symbol - 257) : INVALID;
}

/** The entry with the length of the rest of the code added. */
// @ts-expect-error: decorator
@inline
function withCode(entry: u32, bits: u32): u32 {
  return entry + bits + (entry & (LITERAL | SPECIAL) ? 0 : bits << 8);
}

/**
 * Makes the decoding table of a canonical Huffman code (RFC 1951, 3.2.2) whose code lengths are u8 [symbols] at `lengths`.
 * Returns the bits of its first table, or 0 if the lengths are not a code. As in zlib, a code that leaves some words unused is one only
 * if it has a single word, of one bit, or (of distances, say) no word at all; and never for the code lengths.
 * `scratch`: u16 [16] counts, u16 [16] places, u16 [288] symbols in the order of their codes.
 */
function makeTable(kind: i32, lengths: usize, symbols: i32, mostBits: u32, table: usize, capacity: u32, scratch: usize): u32 {
  const counts = scratch;
  const places = scratch + 32;
  const sorted = scratch + 64;
  memory.fill(counts, 0, 64);
  for (let i = 0; i < symbols; i++) {
    const at = counts + (<usize>load<u8>(lengths + i) << 1);
    store<u16>(at, load<u16>(at) + 1);
  }
  let longest: u32 = LONGEST_CODE;
  while (longest > 0 && load<u16>(counts + (longest << 1)) == 0) longest--;
  if (longest == 0) {
    if (kind == OF_RAW) return 0;
    store<u32>(table, INVALID | 1);
    store<u32>(table, INVALID | 1, 4);
    return 1;
  }
  let unused: i32 = 1;
  let place: u32 = 0;
  for (let length: u32 = 1; length <= LONGEST_CODE; length++) {
    const count = <u32>load<u16>(counts + (length << 1));
    unused = (unused << 1) - <i32>count;
    if (unused < 0) return 0;
    store<u16>(places + (length << 1), <u16>place);
    place += count;
  }
  if (unused > 0 && (kind == OF_RAW || longest > 1)) return 0;
  for (let i = 0; i < symbols; i++) {
    const length = <u32>load<u8>(lengths + i);
    if (length == 0) continue;
    const at = places + (length << 1);
    const to = load<u16>(at);
    store<u16>(sorted + (<usize>to << 1), <u16>i);
    store<u16>(at, to + 1);
  }

  // Codes in ascending order. `word` is the code with its bits reversed, as the stream has them. The table has 2^filled entries so
  // far and is doubled for each further bit, up to `bits`.
  const bits = min(longest, mostBits);
  let filled: u32 = 0;
  let word: u32 = 0;
  let at = sorted;
  let length: u32 = 1;
  store<u32>(table, INVALID | 1);
  for (; length <= bits; length++) {
    memory.copy(table + (4 << filled), table, 4 << filled);
    filled++;
    for (let left = <u32>load<u16>(counts + (length << 1)); left > 0; left--) {
      store<u32>(table + (word << 2), withCode(symbolEntry(kind, load<u16>(at)), length));
      at += 2;
      word = nextWord(word, length);
    }
  }
  // Longer codes: those with the same first bits share a second table.
  let top: u32 = 1 << bits;
  let prefix: u32 = 0xffffffff;
  let secondBits: u32 = 0;
  let second: u32 = 0;
  const mask: u32 = (1 << bits) - 1;
  for (; length <= longest; length++) {
    for (let left = <u32>load<u16>(counts + (length << 1)); left > 0; left--) {
      if ((word & mask) != prefix) {
        prefix = word & mask;
        // As many bits as the codes with this prefix need: until they fill it.
        secondBits = length - bits;
        let room: i32 = (1 << secondBits) - <i32>left;
        while (room > 0 && secondBits + bits < longest) {
          secondBits++;
          room = (room << 1) - <i32>load<u16>(counts + ((bits + secondBits) << 1));
        }
        second = top;
        top += 1 << secondBits;
        assert(top <= capacity);
        if (top > capacity) return 0;
        store<u32>(table + (prefix << 2), (second << 16) | SECOND | (secondBits << 8) | bits);
      }
      const entry = withCode(symbolEntry(kind, load<u16>(at)), length - bits);
      at += 2;
      const step: u32 = 1 << (length - bits);
      for (let i = word >> bits; i < (<u32>1 << secondBits); i += step) store<u32>(table + ((second + i) << 2), entry);
      word = nextWord(word, length);
    }
  }
  return bits;
}

/** The next code of the same length, its bits reversed: adds 1 at the top bit and carries downwards. */
// @ts-expect-error: decorator
@inline
function nextWord(word: u32, length: u32): u32 {
  // The highest zero bit below `length` becomes 1, the ones above it 0. After the last code all are ones, and none is needed.
  const zeros = ~word & ((<u32>1 << length) - 1);
  if (zeros == 0) return word;
  const bit = <u32>0x80000000 >> clz(zeros);
  return (word & (bit - 1)) | bit;
}

/** The tables of blocks with fixed codes (RFC 1951, 3.2.6), unless they are there already. */
export function makeFixed(state: usize): void {
  if (load<u32>(state, INFLATE_FIXED)) return;
  const lengths = state + INFLATE_CODES;
  memory.fill(lengths, 8, 144);
  memory.fill(lengths + 144, 9, 112);
  memory.fill(lengths + 256, 7, 24);
  memory.fill(lengths + 280, 8, 8);
  memory.fill(lengths + FIXED_LENGTH_SYMBOLS, 5, FIXED_DISTANCE_SYMBOLS);
  makeTables(state, FIXED_LENGTH_SYMBOLS, FIXED_DISTANCE_SYMBOLS);
  store<u32>(state, 1, INFLATE_FIXED);
}

/** The table of the code lengths' own code, at INFLATE_DISTANCES; false if those lengths are not a code. */
export function makeRawTable(state: usize): bool {
  const table = state + INFLATE_DISTANCES;
  const codes = state + INFLATE_CODES;
  const bits = makeTable(OF_RAW, codes, RAW_SYMBOLS, RAW_BITS, table, INFLATE_DISTANCE_ENTRIES, state + INFLATE_SCRATCH);
  store<u32>(state, bits, INFLATE_DISTANCE_SIZE);
  store<u32>(state, 0, INFLATE_FIXED);
  return bits != 0;
}

/** Both tables from the code lengths at INFLATE_CODES; false if those are not codes. */
export function makeTables(state: usize, lengthSymbols: u32, distanceSymbols: u32): bool {
  const scratch = state + INFLATE_SCRATCH;
  const codes = state + INFLATE_CODES;
  const lengthTable = state + INFLATE_LENGTHS;
  const a = makeTable(OF_LENGTHS, codes, lengthSymbols, INFLATE_LENGTH_BITS, lengthTable, INFLATE_LENGTH_ENTRIES, scratch);
  const distances = codes + lengthSymbols;
  const distanceTable = state + INFLATE_DISTANCES;
  const b = makeTable(OF_DISTANCES, distances, distanceSymbols, INFLATE_DISTANCE_BITS, distanceTable, INFLATE_DISTANCE_ENTRIES, scratch);
  store<u32>(state, a, INFLATE_LENGTH_SIZE);
  store<u32>(state, b, INFLATE_DISTANCE_SIZE);
  return a != 0 && b != 0;
}

/** The entry behind `entry`, which points to a second table; `bits` begin behind the code bits that `entry` stands for. */
// @ts-expect-error: decorator
@inline
export function secondEntry(table: usize, entry: u64, bits: u64): u64 {
  const mask = (<u64>1 << ((entry >> 8) & 15)) - 1;
  return <u64>load<u32>(table + ((<usize>(entry >> 16) + <usize>(bits & mask)) << 2));
}

/** A length or distance: its base and the extra bits behind its code, with which `bits` begin. */
// @ts-expect-error: decorator
@inline
export function baseAndExtra(entry: u64, bits: u64): usize {
  const extra = (bits & ((<u64>1 << (entry & 63)) - 1)) >> ((entry >> 8) & 15);
  return <usize>((entry >> 16) + extra);
}
