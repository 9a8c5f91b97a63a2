// Scans of JPEG (ITU T.81, annexes A, E and G): MCU by MCU, with restart markers, to pixels or to coefficients.

import {
  MCU_BYTES, MCUS_DONE, MCUS_INPUT, MCUS_TRUNCATED, MODE_AC_FIRST, MODE_AC_REFINE, MODE_DC_FIRST, MODE_DC_REFINE,
  MODE_PIXELS, MODE_SEQUENTIAL, RECORD_ACROSS, RECORD_AT, RECORD_BYTES, RECORD_DC, RECORD_DOWN, RECORD_HEIGHT,
  RECORD_QUANTIZATION, RECORD_SIDE, RECORD_STRIDE, RECORD_WIDTH, SCAN_BITS, SCAN_BLOCK, SCAN_COMPONENTS, SCAN_COUNT, SCAN_END,
  SCAN_END_RUN, SCAN_FINAL, SCAN_INTERVAL, SCAN_MCU, SCAN_MCUS, SCAN_MODE, SCAN_NEXT, SCAN_PADDING, SCAN_RECORDS,
  SCAN_RESTART, SCAN_TO_RESTART, SCAN_WANTED, SCAN_WANTED_END, SCAN_WORK,
} from '../../src/image/contract';
import { firstAc, firstDc, refineAc, refineDc, sequentialBlock } from './jpeg-blocks';
import { inverseDct } from './jpeg-inverse';

const BLOCK_BYTES: usize = 128;

/**
 * Decodes from SCAN_MCU to the end of the row of MCUs. Returns MCUS_DONE, MCUS_INPUT (what is in memory does not suffice:
 * give more and call again) or MCUS_TRUNCATED.
 */
export function decodeMcus(scan: usize): i32 {
  const mode = load<i32>(scan, SCAN_MODE);
  const mcus = load<i32>(scan, SCAN_MCUS);
  const interval = load<i32>(scan, SCAN_INTERVAL);
  const last = scan + SCAN_RECORDS + <usize>load<i32>(scan, SCAN_COMPONENTS) * RECORD_BYTES;
  for (let mcu = load<i32>(scan, SCAN_MCU); mcu < mcus; mcu++) {
    const missing = load<u32>(scan, SCAN_NEXT) + MCU_BYTES > load<u32>(scan, SCAN_END) && !load<i32>(scan, SCAN_FINAL);
    if (interval > 0 && load<i32>(scan, SCAN_TO_RESTART) == 0) {
      if (missing) return suspend(scan, mcu, MCUS_INPUT);
      const outcome = restart(scan);
      if (outcome != MCUS_DONE) return suspend(scan, mcu, outcome);
    }
    if (mode == MODE_AC_FIRST) {
      // A run of blocks that end at once needs no look at them.
      const run = load<i32>(scan, SCAN_END_RUN);
      if (run > 0) {
        let skipped = min(run, mcus - mcu);
        if (interval > 0) skipped = min(skipped, load<i32>(scan, SCAN_TO_RESTART));
        store<i32>(scan, run - skipped, SCAN_END_RUN);
        store<i32>(scan, load<i32>(scan, SCAN_TO_RESTART) - skipped, SCAN_TO_RESTART);
        mcu += skipped - 1;
        continue;
      }
    }
    if (missing) return suspend(scan, mcu, MCUS_INPUT);
    for (let record = scan + SCAN_RECORDS; record < last; record += RECORD_BYTES) {
      const across = load<i32>(record, RECORD_ACROSS);
      const down = load<i32>(record, RECORD_DOWN);
      for (let y = 0; y < down; y++) {
        for (let x = 0; x < across; x++) {
          if (mode == MODE_PIXELS) {
            pixelBlock(scan, record, mcu, mcu * across + x, y);
            continue;
          }
          const row = <usize>load<u32>(record, RECORD_AT) + <usize>load<u32>(record, RECORD_STRIDE) * <usize>y;
          const block = row + <usize>(mcu * across + x) * BLOCK_BYTES;
          if (mode == MODE_SEQUENTIAL) sequentialBlock(scan, record, block);
          else if (mode == MODE_DC_FIRST) firstDc(scan, record, block);
          else if (mode == MODE_DC_REFINE) refineDc(scan, block);
          else if (mode == MODE_AC_FIRST) firstAc(scan, record, block);
          else if (mode == MODE_AC_REFINE) refineAc(scan, record, block);
        }
      }
    }
    // A bit behind the end of the data was used.
    if (load<i32>(scan, SCAN_COUNT) < load<i32>(scan, SCAN_PADDING)) return suspend(scan, mcu, MCUS_TRUNCATED);
    store<i32>(scan, load<i32>(scan, SCAN_TO_RESTART) - 1, SCAN_TO_RESTART);
  }
  return suspend(scan, 0, MCUS_DONE);
}

function suspend(scan: usize, mcu: i32, outcome: i32): i32 {
  store<i32>(scan, mcu, SCAN_MCU);
  return outcome;
}

/** A block to pixels, if it is wanted. */
@inline
function pixelBlock(scan: usize, record: usize, mcu: i32, column: i32, y: i32): void {
  const block = scan + SCAN_BLOCK;
  const zero = i64x2.splat(0);
  for (let i: usize = 0; i < BLOCK_BYTES; i += 32) {
    v128.store(block + i, zero);
    v128.store(block + i, zero, 16);
  }
  const any = sequentialBlock(scan, record, block);
  if (mcu < load<i32>(scan, SCAN_WANTED) || mcu >= load<i32>(scan, SCAN_WANTED_END)) return;
  if (column >= load<i32>(record, RECORD_WIDTH) || y >= load<i32>(record, RECORD_HEIGHT)) return;
  const side = load<i32>(record, RECORD_SIDE);
  const stride = <usize>load<u32>(record, RECORD_STRIDE);
  const out = <usize>load<u32>(record, RECORD_AT) + stride * <usize>(y * side) + <usize>(column * side);
  inverseDct(block, <usize>load<u32>(record, RECORD_QUANTIZATION), side, any, out, stride, scan + SCAN_WORK);
}

/**
 * Passes a restart marker (libjpeg's process_restart and jpeg_resync_to_restart): bits that are left are dropped; a marker
 * that is none of the next two is skipped if it is an earlier one, and taken for this one if it is far away.
 */
function restart(scan: usize): i32 {
  const end = <usize>load<u32>(scan, SCAN_END);
  const wanted = load<i32>(scan, SCAN_RESTART);
  let next = <usize>load<u32>(scan, SCAN_NEXT);
  let found = false;
  while (!found) {
    // The next marker: 0xff, perhaps several times, and a code.
    while (next < end && load<u8>(next) != 0xff) next++;
    let code = next;
    while (code < end && load<u8>(code) == 0xff) code++;
    if (code >= end) {
      store<u32>(scan, <u32>next, SCAN_NEXT);
      return load<i32>(scan, SCAN_FINAL) ? MCUS_TRUNCATED : MCUS_INPUT;
    }
    const marker = <i32>load<u8>(code);
    const ahead = (marker - 0xd0 - wanted) & 7;
    const isRestart = marker >= 0xd0 && marker <= 0xd7;
    // A later marker, or one of another kind: data of this interval are missing.
    if (marker >= 0xc0 && (!isRestart || ahead == 1 || ahead == 2)) return MCUS_TRUNCATED;
    found = isRestart && ahead < 6;
    next = code + 1;
  }
  store<u32>(scan, <u32>next, SCAN_NEXT);
  store<u64>(scan, 0, SCAN_BITS);
  store<i32>(scan, 0, SCAN_COUNT);
  store<i32>(scan, 0, SCAN_PADDING);
  store<i32>(scan, 0, SCAN_END_RUN);
  store<i32>(scan, (wanted + 1) & 7, SCAN_RESTART);
  store<i32>(scan, load<i32>(scan, SCAN_INTERVAL), SCAN_TO_RESTART);
  const last = scan + SCAN_RECORDS + <usize>load<i32>(scan, SCAN_COMPONENTS) * RECORD_BYTES;
  for (let record = scan + SCAN_RECORDS; record < last; record += RECORD_BYTES) store<i32>(record, 0, RECORD_DC);
  return MCUS_DONE;
}

/**
 * Kept coefficients to pixels: `count` blocks of a row from `block` on, each `side` pixels wide from `out` on.
 */
export function blocksToPixels(block: usize, count: i32, quantization: usize, side: i32, out: usize, stride: usize, work: usize): void {
  for (let i = 0; i < count; i++) {
    inverseDct(block, quantization, side, 1, out, stride, work);
    block += BLOCK_BYTES;
    out += <usize>side;
  }
}
