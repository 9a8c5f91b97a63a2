// Inflate: the zlib format (RFC 1950) and DEFLATE (RFC 1951), fed in pieces and taken in pieces. The answers are zlib's: the same
// streams are accepted and refused.
//
// All that is remembered between two calls lies in a state in memory, whose layout is in src/image/contract.ts. A call runs until
// the input is used up, the output has reached its limit, or the stream ends. It never stops inside a symbol: a symbol that is not
// all there stays in the bit buffer, and a match may end beyond the limit by up to INFLATE_SLACK bytes.
//
// Bit buffer: a u64, the next bit is the lowest. One load of eight bytes fills it to 56 bits or more, of which a length with its
// distance takes at most 48.

import {
  INFLATE_BITS, INFLATE_CODES, INFLATE_COUNT, INFLATE_DAMAGED, INFLATE_DISTANCE_SIZE, INFLATE_DISTANCE_SYMBOLS,
  INFLATE_DISTANCES, INFLATE_DONE, INFLATE_END, INFLATE_FIRST, INFLATE_FULL, INFLATE_IN, INFLATE_INDEX, INFLATE_INPUT,
  INFLATE_LAST, INFLATE_LENGTH_SIZE, INFLATE_LENGTH_SYMBOLS, INFLATE_LENGTHS, INFLATE_LIMIT, INFLATE_MODE, INFLATE_OUT,
  INFLATE_PATTERNS, INFLATE_REMAINING, INFLATE_RUNNING, INFLATE_SUM,
} from '../../src/image/contract';
import { copyMatch, FAST_DAMAGED, FAST_END_OF_BLOCK, inflateFast, READ_AHEAD } from './inflate-fast';
import {
  DISTANCE_SYMBOLS, END, END_OF_BLOCK, INVALID, LENGTH_SYMBOLS, LITERAL, makeFixed, makeRawTable, makeTables, RAW_SYMBOLS,
  SECOND, secondEntry, baseAndExtra,
} from './inflate-tables';

// What the state's `mode` says comes next.
const HEADER = 0;
const BLOCK = 1;
const STORED_LENGTH = 2;
const STORED = 3;
const DYNAMIC = 4;
const RAW_LENGTHS = 5;
const LENGTHS = 6;
const SYMBOLS = 7;
const SUM = 8;
const DONE = 9;
const DAMAGED = 10;

/** The order in which the code lengths' own code lengths are stored (RFC 1951, 3.2.7), five bits each. */
// @ts-expect-error: decorator
@inline
function rawOrder(i: u32): u32 {
  // 16 17 18 0 8 7 9 6 10 5 11 4 | 12 3 13 2 14 1 15
  const first: u64 = 16 | (17 << 5) | (18 << 10) | (8 << 20) | (7 << 25) | (9 << 30) | (6 << 35) | (10 << 40) | (5 << 45) | (11 << 50) | (4 << 55);
  const second: u64 = 12 | (3 << 5) | (13 << 10) | (2 << 15) | (14 << 20) | (1 << 25) | (15 << 30);
  return <u32>((i < 12 ? first >> (5 * i) : second >> (5 * (i - 12))) & 31);
}

/** Prepares a state for a new stream whose output begins at `out`. */
export function inflateStart(state: usize, out: usize): void {
  memory.fill(state, 0, INFLATE_PATTERNS);
  store<u32>(state, <u32>out, INFLATE_OUT);
  store<u32>(state, <u32>out, INFLATE_FIRST);
  // For each distance d below 16: which of the last d bytes come next, sixteen of them; and, in place of distance 0, by how many
  // of them the output moves on: the most that are a multiple of d.
  for (let d: usize = 1; d < 16; d++) {
    store<u8>(state + INFLATE_PATTERNS + d, <u8>(16 - (16 % d)));
    for (let i: usize = 0; i < 16; i++) store<u8>(state + INFLATE_PATTERNS + d * 16 + i, <u8>(i % d));
  }
}

/**
 * One symbol of a block, bit for bit, where `inflateFast` may not read ahead. A symbol that is not whole stays in the bit buffer.
 * Returns INFLATE_RUNNING, INFLATE_INPUT or INFLATE_DAMAGED.
 */
function inflateSymbol(state: usize): i32 {
  let out = <usize>load<u32>(state, INFLATE_OUT);
  const bits = load<u64>(state, INFLATE_BITS);
  const count = <u64>load<u32>(state, INFLATE_COUNT);
  const lengths = state + INFLATE_LENGTHS;
  const distances = state + INFLATE_DISTANCES;
  let used: u64 = 0;
  let entry = <u64>load<u32>(lengths + (<usize>(bits & ((<u64>1 << <u64>load<u32>(state, INFLATE_LENGTH_SIZE)) - 1)) << 2));
  if (entry & SECOND) {
    used = entry & 63;
    entry = secondEntry(lengths, entry, bits >> used);
  }
  if (used + (entry & 63) > count) return INFLATE_INPUT;
  if (entry & INVALID) return INFLATE_DAMAGED;
  if (entry & LITERAL) {
    store<u8>(out, <u8>(entry >> 16));
    out++;
  } else if (entry & END) {
    store<u32>(state, load<u32>(state, INFLATE_LAST) ? SUM : BLOCK, INFLATE_MODE);
  } else {
    const length = baseAndExtra(entry, bits >> used);
    used += entry & 63;
    entry = <u64>load<u32>(distances + (<usize>((bits >> used) & ((<u64>1 << <u64>load<u32>(state, INFLATE_DISTANCE_SIZE)) - 1)) << 2));
    if (entry & SECOND) {
      used += entry & 63;
      entry = secondEntry(distances, entry, bits >> used);
    }
    if (used + (entry & 63) > count) return INFLATE_INPUT;
    if (entry & INVALID) return INFLATE_DAMAGED;
    const distance = baseAndExtra(entry, bits >> used);
    if (distance > out - <usize>load<u32>(state, INFLATE_FIRST)) return INFLATE_DAMAGED;
    out = copyMatch(state, out, distance, length);
  }
  used += entry & 63;
  store<u32>(state, <u32>out, INFLATE_OUT);
  store<u64>(state, bits >> used, INFLATE_BITS);
  store<u32>(state, <u32>(count - used), INFLATE_COUNT);
  return INFLATE_RUNNING;
}

/** Fills the bit buffer byte by byte, as far as the input goes. */
function fillBits(state: usize): void {
  let at = <usize>load<u32>(state, INFLATE_IN);
  const end = <usize>load<u32>(state, INFLATE_END);
  let bits = load<u64>(state, INFLATE_BITS);
  let count = load<u32>(state, INFLATE_COUNT);
  while (count <= 55 && at < end) {
    bits |= <u64>load<u8>(at) << <u64>count;
    at++;
    count += 8;
  }
  store<u32>(state, <u32>at, INFLATE_IN);
  store<u64>(state, bits, INFLATE_BITS);
  store<u32>(state, count, INFLATE_COUNT);
}

/** Takes `n` bits, at most 32, that are in the bit buffer. */
function takeBits(state: usize, n: u32): u32 {
  const bits = load<u64>(state, INFLATE_BITS);
  store<u64>(state, bits >> <u64>n, INFLATE_BITS);
  store<u32>(state, load<u32>(state, INFLATE_COUNT) - n, INFLATE_COUNT);
  return <u32>(bits & ((<u64>1 << <u64>n) - 1));
}

/** Copies what there is of a stored block: first the whole bytes in the bit buffer, then from the input. */
function copyStored(state: usize): i32 {
  let remaining = load<u32>(state, INFLATE_REMAINING);
  let out = <usize>load<u32>(state, INFLATE_OUT);
  const limit = <usize>load<u32>(state, INFLATE_LIMIT);
  while (remaining > 0 && out < limit && load<u32>(state, INFLATE_COUNT) > 0) {
    store<u8>(out, <u8>takeBits(state, 8));
    out++;
    remaining--;
  }
  const at = <usize>load<u32>(state, INFLATE_IN);
  const part = min<usize>(remaining, min(<usize>load<u32>(state, INFLATE_END) - at, limit - min(out, limit)));
  memory.copy(out, at, part);
  out += part;
  remaining -= <u32>part;
  store<u32>(state, <u32>(at + part), INFLATE_IN);
  store<u32>(state, <u32>out, INFLATE_OUT);
  store<u32>(state, remaining, INFLATE_REMAINING);
  if (remaining == 0) {
    store<u32>(state, load<u32>(state, INFLATE_LAST) ? SUM : BLOCK, INFLATE_MODE);
    return INFLATE_RUNNING;
  }
  return out >= limit ? INFLATE_FULL : INFLATE_INPUT;
}

/** One of the parts between symbols: headers, code lengths, the checksum. Each needs 32 bits or fewer. */
function readPart(state: usize): i32 {
  const mode = load<u32>(state, INFLATE_MODE);
  const count = load<u32>(state, INFLATE_COUNT);
  const codes = state + INFLATE_CODES;
  if (mode == HEADER) {
    if (count < 16) return INFLATE_INPUT;
    const method = takeBits(state, 8);
    const flags = takeBits(state, 8);
    // Deflate, a window of at most 32 kB, no dictionary, and together a multiple of 31.
    if ((method & 15) != 8 || method >> 4 > 7 || (flags & 32) != 0 || ((method << 8) | flags) % 31 != 0) return INFLATE_DAMAGED;
    store<u32>(state, BLOCK, INFLATE_MODE);
  } else if (mode == BLOCK) {
    if (count < 3) return INFLATE_INPUT;
    store<u32>(state, takeBits(state, 1), INFLATE_LAST);
    const kind = takeBits(state, 2);
    if (kind == 0) {
      takeBits(state, (count - 3) & 7);
      store<u32>(state, STORED_LENGTH, INFLATE_MODE);
    } else if (kind == 1) {
      makeFixed(state);
      store<u32>(state, SYMBOLS, INFLATE_MODE);
    } else if (kind == 2) {
      store<u32>(state, DYNAMIC, INFLATE_MODE);
    } else return INFLATE_DAMAGED;
  } else if (mode == STORED_LENGTH) {
    if (count < 32) return INFLATE_INPUT;
    const length = takeBits(state, 16);
    if (length != (takeBits(state, 16) ^ 0xffff)) return INFLATE_DAMAGED;
    store<u32>(state, length, INFLATE_REMAINING);
    store<u32>(state, STORED, INFLATE_MODE);
  } else if (mode == DYNAMIC) {
    if (count < 14) return INFLATE_INPUT;
    const lengthSymbols = takeBits(state, 5) + 257;
    const distanceSymbols = takeBits(state, 5) + 1;
    if (lengthSymbols > LENGTH_SYMBOLS || distanceSymbols > DISTANCE_SYMBOLS) return INFLATE_DAMAGED;
    store<u32>(state, lengthSymbols, INFLATE_LENGTH_SYMBOLS);
    store<u32>(state, distanceSymbols, INFLATE_DISTANCE_SYMBOLS);
    store<u32>(state, takeBits(state, 4) + 4, INFLATE_REMAINING);
    store<u32>(state, 0, INFLATE_INDEX);
    memory.fill(codes, 0, RAW_SYMBOLS);
    store<u32>(state, RAW_LENGTHS, INFLATE_MODE);
  } else if (mode == RAW_LENGTHS) {
    const index = load<u32>(state, INFLATE_INDEX);
    if (index < load<u32>(state, INFLATE_REMAINING)) {
      if (count < 3) return INFLATE_INPUT;
      store<u8>(codes + rawOrder(index), <u8>takeBits(state, 3));
      store<u32>(state, index + 1, INFLATE_INDEX);
    } else {
      if (!makeRawTable(state)) return INFLATE_DAMAGED;
      store<u32>(state, 0, INFLATE_INDEX);
      store<u32>(state, LENGTHS, INFLATE_MODE);
    }
  } else if (mode == LENGTHS) {
    return readCodeLength(state);
  } else {
    if (count < 32 + (count & 7)) return INFLATE_INPUT;
    takeBits(state, count & 7);
    store<u32>(state, bswap<u32>(takeBits(state, 32)), INFLATE_SUM);
    store<u32>(state, DONE, INFLATE_MODE);
  }
  return INFLATE_RUNNING;
}

/** One code length or run of them, or, when all are there, the tables. */
function readCodeLength(state: usize): i32 {
  const codes = state + INFLATE_CODES;
  const lengthSymbols = load<u32>(state, INFLATE_LENGTH_SYMBOLS);
  const total = lengthSymbols + load<u32>(state, INFLATE_DISTANCE_SYMBOLS);
  const index = load<u32>(state, INFLATE_INDEX);
  if (index == total) {
    if (load<u8>(codes + END_OF_BLOCK) == 0) return INFLATE_DAMAGED;
    if (!makeTables(state, lengthSymbols, total - lengthSymbols)) return INFLATE_DAMAGED;
    store<u32>(state, SYMBOLS, INFLATE_MODE);
    return INFLATE_RUNNING;
  }
  const bits = load<u64>(state, INFLATE_BITS);
  const mask = (<u64>1 << <u64>load<u32>(state, INFLATE_DISTANCE_SIZE)) - 1;
  const entry = load<u32>(state + INFLATE_DISTANCES + (<usize>(bits & mask) << 2));
  const symbol = entry >> 16;
  // 16 repeats the length before 3 to 6 times, 17 and 18 are 3 to 10 and 11 to 138 zeros.
  const extra: u32 = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
  if ((entry & 255) + extra > load<u32>(state, INFLATE_COUNT)) return INFLATE_INPUT;
  takeBits(state, entry & 255);
  const repeats = symbol < 16 ? 1 : takeBits(state, extra) + (symbol == 18 ? 11 : 3);
  if (index + repeats > total || (symbol == 16 && index == 0)) return INFLATE_DAMAGED;
  const length = symbol < 16 ? <u8>symbol : symbol == 16 ? load<u8>(codes + index - 1) : 0;
  memory.fill(codes + index, length, repeats);
  store<u32>(state, index + repeats, INFLATE_INDEX);
  return INFLATE_RUNNING;
}

/**
 * Inflates until the input between INFLATE_IN and INFLATE_END is used up (INFLATE_INPUT: more must follow), the output at INFLATE_OUT
 * has reached INFLATE_LIMIT (INFLATE_FULL), the stream ends (INFLATE_DONE: its checksum is at INFLATE_SUM, for the caller to compare)
 * or cannot go on (INFLATE_DAMAGED). The caller sets these addresses in the state and may move the output, keeping its order.
 *
 * Before INFLATE_OUT lie the last 32,768 bytes of output, or all since INFLATE_FIRST if they are fewer. INFLATE_SLACK bytes behind
 * INFLATE_LIMIT are writable.
 */
export function inflate(state: usize): i32 {
  while (true) {
    const mode = load<u32>(state, INFLATE_MODE);
    let step: i32 = INFLATE_RUNNING;
    if (mode == DONE) return INFLATE_DONE;
    if (mode == DAMAGED) return INFLATE_DAMAGED;
    if (mode == STORED) {
      step = copyStored(state);
    } else if (mode == SYMBOLS) {
      if (load<u32>(state, INFLATE_OUT) >= load<u32>(state, INFLATE_LIMIT)) return INFLATE_FULL;
      if (load<u32>(state, INFLATE_IN) + READ_AHEAD <= load<u32>(state, INFLATE_END)) {
        const stop = inflateFast(state);
        if (stop == FAST_DAMAGED) step = INFLATE_DAMAGED;
        if (stop == FAST_END_OF_BLOCK) store<u32>(state, load<u32>(state, INFLATE_LAST) ? SUM : BLOCK, INFLATE_MODE);
      } else {
        fillBits(state);
        step = inflateSymbol(state);
      }
    } else {
      fillBits(state);
      step = readPart(state);
    }
    if (step == INFLATE_DAMAGED) store<u32>(state, DAMAGED, INFLATE_MODE);
    else if (step != INFLATE_RUNNING) return step;
  }
}
