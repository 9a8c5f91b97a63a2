/**
 * The rows of a PNG: inflated, unfiltered, as bytes. Memory follows the rows; only of an interlaced picture all pixels are kept, as
 * no row of it is whole before the last pass: 1 byte each for gray and palettes, 3 for the rest.
 */
import type { Pointer } from '../engine/kernels.ts';
import { Inflater } from './inflater.ts';
import type { PngChunks } from './png-chunks.ts';
import { PngData } from './png-data.ts';
import { damagedPng, type Pass, type PngHeader, passesOf } from './png-header.ts';
import { PngSamples, strideOf } from './png-samples.ts';
import type { Step } from './rows.ts';
import type { Workspace } from './workspace.ts';

/** Bytes of rows that are handed out together, if more than one row. */
const BLOCK_BYTES = 65_536;

/** How many rows of `stride` bytes are handed out together. */
function blockOf(stride: number, height: number): number {
  return Math.min(height, Math.max(1, Math.floor(BLOCK_BYTES / stride)));
}

/** Bytes of the inflated rows, with the type of its filter before each. */
function dataBytes(passes: readonly Pass[]): number {
  return passes.reduce((sum, { height, rowBytes }) => sum + height * (rowBytes + 1), 0);
}

/** The rows of a picture without interlacing. `chunks` is at the content of the first IDAT chunk. */
export function* plainRows(
  workspace: Workspace,
  png: PngHeader,
  palette: Uint8Array | undefined,
  chunks: PngChunks,
): Generator<Step, void> {
  const { width, height } = png;
  const [pass] = passesOf(png) as [Pass];
  const { rowBytes } = pass;
  const data = new PngData(chunks, new Inflater(workspace, rowBytes + 1), dataBytes([pass]));
  const samples = new PngSamples(workspace, png, palette);
  const stride = strideOf(rowBytes);
  const pixelStride = samples.areReady ? 0 : strideOf(width * samples.channels);
  const block = blockOf(Math.max(stride, pixelStride), height);
  // The row above the block, then the block.
  const above = workspace.reserve(stride * (1 + block));
  const rows = above + stride;
  const pixels = samples.areReady ? 0 : workspace.reserve(pixelStride * block);
  workspace.bytes.fill(0, above, rows);
  for (let first = 0; first < height; ) {
    const most = Math.min(block, height - first);
    let count = 0;
    while (count < most) {
      const progress = data.need(rowBytes + 1);
      if (progress !== 'ready') {
        if (count > 0) break;
        yield progress;
        continue;
      }
      const row = rows + count * stride;
      unfilter(workspace, data, row - stride, row, pass, png);
      if (!samples.areReady) samples.convert(row, pixels + count * pixelStride, width);
      count++;
    }
    if (samples.areReady) yield { at: rows, stride, plane: 0, first, count };
    else yield { at: pixels, stride: pixelStride, plane: 0, first, count };
    workspace.bytes.copyWithin(above, rows + (count - 1) * stride, rows + count * stride);
    first += count;
  }
  yield* finish(data);
}

/** The rows of a picture with interlacing, once all have come. */
export function* interlacedRows(
  workspace: Workspace,
  png: PngHeader,
  palette: Uint8Array | undefined,
  chunks: PngChunks,
): Generator<Step, void> {
  const { width, height } = png;
  const passes = passesOf(png);
  const longest = Math.max(...passes.map(({ rowBytes }) => rowBytes));
  const data = new PngData(chunks, new Inflater(workspace, longest + 1), dataBytes(passes));
  const samples = new PngSamples(workspace, png, palette);
  const stride = strideOf(longest);
  let above = workspace.reserve(2 * stride);
  let row = above + stride;
  const unpacked = samples.areReady ? 0 : workspace.reserve(strideOf(width * samples.unpacked));
  const kept = samples.unpacked === 1 ? 1 : 3;
  const pictureStride = width * kept;
  const picture = workspace.reserve(pictureStride * height);
  let done = 0; // bytes since the last yield
  for (const pass of passes) {
    workspace.bytes.fill(0, above, above + stride);
    for (let y = pass.y; y < height; y += pass.stepY) {
      for (;;) {
        const progress = data.need(pass.rowBytes + 1);
        if (progress === 'ready') break;
        yield progress;
      }
      unfilter(workspace, data, above, row, pass, png);
      if (!samples.areReady) samples.unpack(row, unpacked, pass.width);
      const from = samples.areReady ? row : unpacked;
      const to = picture + y * pictureStride + pass.x * kept;
      workspace.kernels.scatter(from, to, pass.width, samples.unpacked, pass.stepX * kept);
      [above, row] = [row, above];
      done += pass.rowBytes;
      if (done >= BLOCK_BYTES) {
        done = 0;
        yield 'busy';
      }
    }
  }
  yield* finish(data);
  const outStride = samples.areIndices ? strideOf(width * 3) : pictureStride;
  const block = blockOf(outStride, height);
  const pixels = samples.areIndices ? workspace.reserve(outStride * block) : 0;
  for (let first = 0; first < height; first += block) {
    const count = Math.min(block, height - first);
    const at = picture + first * pictureStride;
    for (let y = 0; samples.areIndices && y < count; y++) {
      samples.lookUp(at + y * pictureStride, pixels + y * outStride, width);
    }
    yield { at: samples.areIndices ? pixels : at, stride: outStride, plane: 0, first, count };
  }
}

/** Takes the next row of the data, which is there, and undoes its filter. */
function unfilter(
  workspace: Workspace,
  data: PngData,
  above: Pointer,
  out: Pointer,
  { rowBytes }: Pass,
  { bits }: PngHeader,
): void {
  const type = workspace.bytes[data.at] as number;
  if (type > 4) throw damagedPng(`a row has filter type ${type}`);
  workspace.kernels.unfilterRow(type, data.at + 1, above, out, rowBytes, Math.ceil(bits / 8));
  data.take(rowBytes + 1);
}

function* finish(data: PngData): Generator<Step, void> {
  for (let progress = data.finish(); progress !== 'ready'; progress = data.finish()) yield progress;
}
