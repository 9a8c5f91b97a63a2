// Inflate's fast loop: whole symbols, without a look at the end of the input for each. See inflate.ts for the state and the bit buffer.

import {
  INFLATE_BITS, INFLATE_COUNT, INFLATE_DISTANCE_SIZE, INFLATE_DISTANCES, INFLATE_END, INFLATE_FIRST, INFLATE_IN,
  INFLATE_LENGTH_SIZE, INFLATE_LENGTHS, INFLATE_LIMIT, INFLATE_OUT, INFLATE_PATTERNS,
} from '../../src/image/contract';
import { END, INVALID, LITERAL, SECOND, SPECIAL, secondEntry, baseAndExtra } from './inflate-tables';

/** Bytes that the fast loop may read at `in`: two loads of eight, the second up to seven bytes further on. */
export const READ_AHEAD = 16;

/**
 * Repeats `length` bytes from `distance` before `out`, sixteen at a time; up to 15 bytes more are written. Below a distance of 16
 * they are made of the last `distance` bytes, over and over:
 *
 *   distance 3   .. a b c |  ->  a b c a b c a b c a b c a b c a   stored every 15 bytes
 */
// @ts-expect-error: decorator
@inline
export function copyMatch(state: usize, out: usize, distance: usize, length: usize): usize {
  const end = out + length;
  let from = out - distance;
  if (distance >= 16) {
    do {
      v128.store(out, v128.load(from));
      from += 16;
      out += 16;
    } while (out < end);
  } else {
    const pattern = i8x16.swizzle(v128.load(from), v128.load(state + INFLATE_PATTERNS + (distance << 4)));
    const step = <usize>load<u8>(state + INFLATE_PATTERNS + distance);
    do {
      v128.store(out, pattern);
      out += step;
    } while (out < end);
  }
  return end;
}

const FAST_STOPPED = 0;
export const FAST_END_OF_BLOCK = 1;
export const FAST_DAMAGED = 2;

/** Decodes symbols while READ_AHEAD bytes of input are there and the output is below its limit. */
export function inflateFast(state: usize): i32 {
  let at = <usize>load<u32>(state, INFLATE_IN);
  let out = <usize>load<u32>(state, INFLATE_OUT);
  let bits = load<u64>(state, INFLATE_BITS);
  let count = <u64>load<u32>(state, INFLATE_COUNT);
  const last = <usize>load<u32>(state, INFLATE_END) - READ_AHEAD;
  const limit = <usize>load<u32>(state, INFLATE_LIMIT);
  const first = <usize>load<u32>(state, INFLATE_FIRST);
  const lengths = state + INFLATE_LENGTHS;
  const distances = state + INFLATE_DISTANCES;
  const lengthMask = (<u64>1 << <u64>load<u32>(state, INFLATE_LENGTH_SIZE)) - 1;
  const distanceMask = (<u64>1 << <u64>load<u32>(state, INFLATE_DISTANCE_SIZE)) - 1;
  let result = FAST_STOPPED;
  while (at <= last && out < limit) {
    // Bits above `count` may be set already: they are the same ones.
    bits |= load<u64>(at) << count;
    at += <usize>((63 - count) >> 3);
    count |= 56;
    let entry = <u64>load<u32>(lengths + (<usize>(bits & lengthMask) << 2));
    // Three literals of the first table have at most 33 bits; a length and its distance after two of them need a second load.
    if (entry & LITERAL) {
      store<u8>(out, <u8>(entry >> 16));
      out++;
      bits >>= entry & 63;
      count -= entry & 63;
      entry = <u64>load<u32>(lengths + (<usize>(bits & lengthMask) << 2));
      if (entry & LITERAL) {
        store<u8>(out, <u8>(entry >> 16));
        out++;
        bits >>= entry & 63;
        count -= entry & 63;
        entry = <u64>load<u32>(lengths + (<usize>(bits & lengthMask) << 2));
        if (entry & LITERAL) {
          store<u8>(out, <u8>(entry >> 16));
          out++;
          bits >>= entry & 63;
          count -= entry & 63;
          continue;
        }
      }
    }
    if (entry & SPECIAL) {
      if (entry & SECOND) {
        bits >>= entry & 63;
        count -= entry & 63;
        entry = secondEntry(lengths, entry, bits);
        if (entry & LITERAL) {
          store<u8>(out, <u8>(entry >> 16));
          out++;
          bits >>= entry & 63;
          count -= entry & 63;
          continue;
        }
      }
      if (entry & INVALID) {
        result = FAST_DAMAGED;
        break;
      }
      if (entry & END) {
        bits >>= entry & 63;
        count -= entry & 63;
        result = FAST_END_OF_BLOCK;
        break;
      }
    }
    const length = baseAndExtra(entry, bits);
    bits >>= entry & 63;
    count -= entry & 63;
    bits |= load<u64>(at) << count;
    at += <usize>((63 - count) >> 3);
    count |= 56;
    entry = <u64>load<u32>(distances + (<usize>(bits & distanceMask) << 2));
    if (entry & SPECIAL) {
      if (entry & SECOND) {
        bits >>= entry & 63;
        count -= entry & 63;
        entry = secondEntry(distances, entry, bits);
      }
      if (entry & INVALID) {
        result = FAST_DAMAGED;
        break;
      }
    }
    const distance = baseAndExtra(entry, bits);
    bits >>= entry & 63;
    count -= entry & 63;
    if (distance > out - first) {
      result = FAST_DAMAGED;
      break;
    }
    out = copyMatch(state, out, distance, length);
  }
  store<u32>(state, <u32>at, INFLATE_IN);
  store<u32>(state, <u32>out, INFLATE_OUT);
  store<u64>(state, bits & ((<u64>1 << count) - 1), INFLATE_BITS);
  store<u32>(state, <u32>count, INFLATE_COUNT);
  return result;
}
