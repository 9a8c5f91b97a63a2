/** The pictures' module (assembly/pictures), compiled and instantiated. */

import { requireWebAssembly } from '../engine/compiled.ts';
import type { Pointer } from '../engine/kernels.ts';
import { ClipError } from '../errors.ts';
import { picturesModule } from '../platform/modules.ts';

/** What the module exports. The sources in assembly/pictures say what the arguments are. */
export interface PictureKernels {
  buildHuffman(table: Pointer, isDc: number): number;
  decodeMcus(scan: Pointer): number;
  blocksToPixels(
    block: Pointer,
    count: number,
    quantization: Pointer,
    side: number,
    out: Pointer,
    stride: number,
    work: Pointer,
  ): void;
  smoothBlocks(
    rows: Pointer,
    first: number,
    end: number,
    last: number,
    estimates: Pointer,
    count: number,
    quantization: Pointer,
    side: number,
    out: Pointer,
    stride: number,
    scan: Pointer,
  ): void;
  doubleAcross(from: Pointer, out: Pointer, count: number): void;
  blendLines(near: Pointer, far: Pointer, bias: number, out: Pointer, count: number): void;
  doubleBoth(near: Pointer, far: Pointer, out: Pointer, count: number, sums: Pointer): void;
  repeatSamples(from: Pointer, out: Pointer, count: number, times: number): void;
  convertYcc(y: Pointer, cb: Pointer, cr: Pointer, red: Pointer, plane: number, count: number): void;
  applyBlack(samples: Pointer, black: Pointer, invert: number, count: number): void;
  copyBytes(from: Pointer, to: Pointer, bytes: number): void;
  splitRow(row: Pointer, planes: Pointer, stride: number, pixels: number, channels: number): void;
  resampleColumns(
    planes: Pointer,
    stride: number,
    starts: Pointer,
    coefficients: Pointer,
    groups: number,
    count: number,
    out: Pointer,
  ): void;
  resampleRows(
    ring: Pointer,
    stride: number,
    ringRows: number,
    first: number,
    taps: number,
    coefficients: Pointer,
    out: Pointer,
    bytes: number,
  ): void;
  inflateStart(state: Pointer, out: Pointer): void;
  inflate(state: Pointer): number;
  crcTables(tables: Pointer): void;
  crc32(tables: Pointer, before: number, at: Pointer, bytes: number): number;
  adler32(before: number, at: Pointer, bytes: number): number;
  unfilterRow(type: number, row: Pointer, above: Pointer, out: Pointer, bytes: number, pixel: number): void;
  everySecond(row: Pointer, out: Pointer, count: number): void;
  clip16(row: Pointer, out: Pointer, count: number): void;
  unpackBits(row: Pointer, out: Pointer, count: number, depth: number, scale: number): void;
  lookUp(row: Pointer, palette: Pointer, out: Pointer, count: number): void;
  scatter(row: Pointer, out: Pointer, count: number, channels: number, step: number): void;
}

/**
 * The compiled module. A failure is tried again by the next call.
 * @throws ClipError UNSUPPORTED if this runtime has no WebAssembly or does not compile it; IO if its file cannot be read
 */
export async function compiledPictures(): Promise<WebAssembly.Module> {
  requireWebAssembly();
  try {
    return await picturesModule();
  } catch (cause) {
    if (cause instanceof ClipError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ClipError('UNSUPPORTED', `this runtime does not compile the image decoder pictures.wasm: ${message}`, {
      cause,
    });
  }
}

/** @throws ClipError UNSUPPORTED if the module does not start. @internal */
export function instantiatePictures(module: WebAssembly.Module, memory: WebAssembly.Memory): PictureKernels {
  const abort = () => {
    throw new WebAssembly.RuntimeError('assertion failed in pictures.wasm');
  };
  try {
    const kernels = new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as PictureKernels;
    if (!kernels.resampleRows) throw new Error('it is not the file that is expected');
    return kernels;
  } catch (cause) {
    const { message } = cause as Error;
    throw new ClipError('UNSUPPORTED', `cannot start the image decoder pictures.wasm: ${message}`, { cause });
  }
}
