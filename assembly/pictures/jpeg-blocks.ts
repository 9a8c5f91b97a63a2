// One block of a JPEG's coefficients from its Huffman codes: sequential (ITU T.81, annex F), or a pass of progressive ones (annex G).

import {
  LOOKUP_BITS, RECORD_AC_TABLE, RECORD_DC, RECORD_DC_TABLE, SCAN_BITS, SCAN_COUNT, SCAN_END, SCAN_END_RUN, SCAN_FIRST,
  SCAN_LAST, SCAN_LOW, SCAN_NEXT, SCAN_ORDER,
} from '../../src/image/contract';
import { ensure, extend, longCode, refill, symbol, take } from './jpeg-huffman';

/** The next DC coefficient: the difference to the last one is coded. */
@inline
function nextDc(scan: usize, record: usize): i32 {
  ensure(scan);
  const size = symbol(scan, <usize>load<u32>(record, RECORD_DC_TABLE)) & 15;
  let dc = load<i32>(record, RECORD_DC);
  if (size > 0) {
    ensure(scan);
    dc += extend(take(scan, size), size);
    store<i32>(record, dc, RECORD_DC);
  }
  return dc;
}

/**
 * A block of a sequential scan, into zeros. Returns whether it has coefficients besides DC.
 * The bit buffer is in locals: four bytes enter at once if none of them is 0xff.
 */
export function sequentialBlock(scan: usize, record: usize, block: usize): i32 {
  store<i16>(block, <i16>nextDc(scan, record));
  const table = <usize>load<u32>(record, RECORD_AC_TABLE);
  const order = scan + SCAN_ORDER;
  const end = <usize>load<u32>(scan, SCAN_END);
  let bits = load<u64>(scan, SCAN_BITS);
  let count = load<i32>(scan, SCAN_COUNT);
  let next = <usize>load<u32>(scan, SCAN_NEXT);
  let k: usize = 1;
  let any = 0;
  do {
    if (count < 32) {
      const word = load<u32>(next);
      const inverse = ~word;
      if (((inverse - 0x01010101) & word & 0x80808080) == 0 && next + 4 <= end) {
        bits |= (<u64>bswap<u32>(word)) << (32 - count);
        count += 32;
        next += 4;
      } else {
        store<u64>(scan, bits, SCAN_BITS);
        store<i32>(scan, count, SCAN_COUNT);
        store<u32>(scan, <u32>next, SCAN_NEXT);
        refill(scan);
        bits = load<u64>(scan, SCAN_BITS);
        count = load<i32>(scan, SCAN_COUNT);
        next = <usize>load<u32>(scan, SCAN_NEXT);
      }
    }
    const entry = load<i32>(table + ((<usize>(bits >> (64 - LOOKUP_BITS))) << 2));
    const value = entry >> 16;
    let length = entry & 255;
    if (value != 0) {
      k += <usize>((entry >> 8) & 15);
      bits <<= length;
      count -= length;
      store<i16>(block + <usize>load<u8>(order + k), <i16>value);
      any = 1;
      k++;
      continue;
    }
    let run = (entry >> 8) & 15;
    let size = (entry >> 12) & 15;
    if (length == 0) {
      const long = longCode(table, bits);
      length = long >> 16;
      run = (long >> 4) & 15;
      size = long & 15;
    }
    bits <<= length;
    count -= length;
    if (size == 0) {
      if (run != 15) break;
      k += 16;
      continue;
    }
    k += <usize>run;
    store<i16>(block + <usize>load<u8>(order + k), <i16>extend(<i32>(bits >> (64 - size)), size));
    bits <<= size;
    count -= size;
    any = 1;
    k++;
  } while (k < 64);
  store<u64>(scan, bits, SCAN_BITS);
  store<i32>(scan, count, SCAN_COUNT);
  store<u32>(scan, <u32>next, SCAN_NEXT);
  return any;
}

/** Progressive, DC, first pass. */
export function firstDc(scan: usize, record: usize, block: usize): void {
  store<i16>(block, <i16>(nextDc(scan, record) << load<i32>(scan, SCAN_LOW)));
}

/** Progressive, DC, next bit. */
export function refineDc(scan: usize, block: usize): void {
  ensure(scan);
  if (take(scan, 1)) store<i16>(block, <i16>(<i32>load<i16>(block) | (1 << load<i32>(scan, SCAN_LOW))));
}

/** Progressive, a band of AC coefficients, first pass. The caller counts blocks of a run of ends. */
export function firstAc(scan: usize, record: usize, block: usize): void {
  const table = <usize>load<u32>(record, RECORD_AC_TABLE);
  const last = load<i32>(scan, SCAN_LAST);
  const low = load<i32>(scan, SCAN_LOW);
  const order = scan + SCAN_ORDER;
  for (let k = load<i32>(scan, SCAN_FIRST); k <= last; k++) {
    ensure(scan);
    const found = symbol(scan, table);
    const run = found >> 4;
    const size = found & 15;
    if (size > 0) {
      k += run;
      ensure(scan);
      store<i16>(block + <usize>load<u8>(order + <usize>k), <i16>(extend(take(scan, size), size) << low));
    } else if (run == 15) {
      k += 15;
    } else {
      let blocks = 1 << run;
      if (run > 0) {
        ensure(scan);
        blocks += take(scan, run);
      }
      store<i32>(scan, blocks - 1, SCAN_END_RUN);
      return;
    }
  }
}

/** One more bit of a coefficient that is not zero. */
@inline
function refineOne(scan: usize, at: usize, bit: i32): void {
  ensure(scan);
  if (!take(scan, 1)) return;
  const value = <i32>load<i16>(at);
  if ((value & bit) == 0) store<i16>(at, <i16>(value >= 0 ? value + bit : value - bit));
}

/** Progressive, a band of AC coefficients, next bit (figures G.7 to G.9). */
export function refineAc(scan: usize, record: usize, block: usize): void {
  const table = <usize>load<u32>(record, RECORD_AC_TABLE);
  const last = load<i32>(scan, SCAN_LAST);
  const bit = 1 << load<i32>(scan, SCAN_LOW);
  const order = scan + SCAN_ORDER;
  let k = load<i32>(scan, SCAN_FIRST);
  let blocks = load<i32>(scan, SCAN_END_RUN);
  if (blocks == 0) {
    for (; k <= last; k++) {
      ensure(scan);
      const found = symbol(scan, table);
      let run = found >> 4;
      let value = 0;
      if ((found & 15) > 0) {
        ensure(scan);
        value = take(scan, 1) ? bit : -bit;
      } else if (run != 15) {
        blocks = 1 << run;
        if (run > 0) {
          ensure(scan);
          blocks += take(scan, run);
        }
        break;
      }
      // Past the coefficients that are not zero, each with a bit of its own, and `run` zeros.
      do {
        const at = block + <usize>load<u8>(order + <usize>k);
        if (load<i16>(at) != 0) refineOne(scan, at, bit);
        else if (--run < 0) break;
        k++;
      } while (k <= last);
      if (value != 0) store<i16>(block + <usize>load<u8>(order + <usize>k), <i16>value);
    }
  }
  if (blocks > 0) {
    for (; k <= last; k++) {
      const at = block + <usize>load<u8>(order + <usize>k);
      if (load<i16>(at) != 0) refineOne(scan, at, bit);
    }
    blocks--;
  }
  store<i32>(scan, blocks, SCAN_END_RUN);
}
