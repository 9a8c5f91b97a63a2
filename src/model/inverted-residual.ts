/**
 * The inverted residual block (Sandler et al. 2018) of EfficientNet-Lite: expand 1x1, depthwise, project 1x1. Its wide
 * activation is computed and consumed in bands of lines that stay in cache.
 */
import type { Linear, PackedRows, RowBuffer } from '../engine/arithmetic.ts';
import { Mode } from '../engine/calls.ts';
import type { Engine } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import { FIXED_SCALE } from '../engine/numerics.ts';
import type { EfficientNetConfig } from './config.ts';
import { convolution, type TowerSlot } from './slots.ts';

/** The sizes of one block. The first block expands by the stem instead. */
export interface InvertedResidual {
  /** timm's name, `blocks.<stage>.<repeat>`. */
  readonly name: string;
  readonly stage: number;
  readonly lastOfStage: boolean;
  /** Whether the block has an expansion of its own. */
  readonly expands: boolean;
  readonly input: number;
  readonly wide: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  /** Lines and columns of the wide activation, and of the output. */
  readonly size: number;
  readonly outSize: number;
  /** TensorFlow's "same" padding of the depthwise convolution. */
  readonly padBefore: number;
  readonly padded: number;
}

/** Target size of a band's wide activation in bytes: half of a small L2 cache. */
const BAND_BYTES = 192 * 1024;

/** "same" padding before the first pixel, and padded size: total = max((out - 1) stride + kernel - in, 0). */
export function samePadding(size: number, kernel: number, stride: number) {
  const outSize = Math.ceil(size / stride);
  const total = Math.max((outSize - 1) * stride + kernel - size, 0);
  return { outSize, padBefore: Math.floor(total / 2), padded: size + total };
}

/** The blocks of a configuration, with their sizes. @param size lines and columns that the stem gives */
export function invertedResiduals(config: EfficientNetConfig, size: number): InvertedResidual[] {
  const blocks: InvertedResidual[] = [];
  let input = config.stem;
  config.stages.forEach(({ repeats, channels, kernel, stride: first, expansion }, stage) => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const stride = repeat === 0 ? first : 1;
      blocks.push({
        name: `blocks.${stage}.${repeat}`,
        stage,
        lastOfStage: repeat === repeats - 1,
        expands: expansion > 1,
        input,
        wide: input * expansion,
        output: channels,
        kernel,
        stride,
        size,
        ...samePadding(size, kernel, stride),
      });
      size = blocks.at(-1)!.outSize;
      input = channels;
    }
  });
  return blocks;
}

/**
 * timm's names: `conv_pw` expands, `conv_dw` is depthwise, `conv_pwl` projects. A block without expansion (depthwise
 * separable) has no `conv_pwl`: there `conv_pw` projects, and its batch norms are numbered from the depthwise one.
 */
export function blockSlots(
  trunk: string,
  { name, expands, input, wide, output, kernel }: InvertedResidual,
  eps: number,
) {
  const block = `${trunk}.${name}`;
  const conv = (conv: string, shape: readonly number[], norm: string) =>
    convolution(`${block}.${conv}`, shape, `${block}.${norm}`, eps);
  const slots: TowerSlot[] = [
    {
      kind: 'depthwise',
      name: `${block}.depthwise`,
      channels: wide,
      kernel,
      inputScale: FIXED_SCALE,
      from: conv('conv_dw', [wide, 1, kernel, kernel], expands ? 'bn2' : 'bn1'),
    },
    {
      kind: 'linear',
      name: `${block}.project`,
      n: output,
      k: wide,
      bias: true,
      inputScale: FIXED_SCALE,
      from: conv(expands ? 'conv_pwl' : 'conv_pw', [output, wide, 1, 1], expands ? 'bn3' : 'bn2'),
    },
  ];
  if (!expands) return slots;
  const expand: TowerSlot = {
    kind: 'linear',
    name: `${block}.expand`,
    n: wide,
    k: input,
    bias: true,
    from: conv('conv_pw', [wide, input, 1, 1], 'bn1'),
  };
  return [expand, ...slots];
}

export interface BlockWeights {
  readonly expand: Linear;
  readonly depthwise: { taps: Pointer; scale: Pointer; bias: Pointer };
  readonly project: Linear;
}

/** @param prefix of the block's weights. @param expand name of what expands: the block's own map, or the stem */
export function blockWeights(weights: Weights, prefix: string, expand = `${prefix}.expand`): BlockWeights {
  const taps = `${prefix}.depthwise`;
  return {
    expand: weights.linear(expand),
    depthwise: {
      taps: weights.pointer(`${taps}.taps`),
      scale: weights.pointer(`${taps}.scale`),
      bias: weights.pointer(`${taps}.bias`),
    },
    project: weights.linear(`${prefix}.project`),
  };
}

/** Lines of wide activation that are needed for `lines` output lines. */
export const linesFor = ({ kernel, stride }: InvertedResidual, lines: number) => (lines - 1) * stride + kernel;

export function bandLines(block: InvertedResidual, cell: number): number {
  const lineBytes = block.padded * block.wide * cell;
  const lines = Math.floor((BAND_BYTES / lineBytes - block.kernel) / block.stride) + 1;
  return Math.min(block.outSize, Math.max(2, lines - (lines % 2)));
}

/** Where a band's wide activation lies, and its depthwise output. */
export interface BandState {
  /** The padded wide activation of a band. */
  readonly wide: Pointer;
  /** Packed rows of a band's depthwise output. */
  readonly rowsWide: RowBuffer;
}

export interface BlockCall {
  /** Output lines of a band. */
  readonly band: number;
  /** Lines [from, from + lines) of the input as packed rows. */
  readonly rows: (from: number, lines: number) => PackedRows;
  /** f32 [outSize, outSize, output]: the input itself where the block is residual. */
  readonly out: Pointer;
  readonly residual: boolean;
  /** Called when a band's wide activation is complete. */
  readonly onWide?: (() => void) | undefined;
}

/** Computes a block, band by band. */
export function invertedResidual(
  engine: Engine,
  s: BandState,
  block: InvertedResidual & BlockWeights,
  call: BlockCall,
): void {
  const { arithmetic, kernels } = engine;
  const { band, rows, out, residual, onWide } = call;
  const { wide, padded, padBefore, size, outSize, kernel, stride } = block;
  const int8 = arithmetic.precision === 'int8';
  const cell = wide * (int8 ? 2 : 4);
  const lineBytes = padded * cell;
  const mode = int8 ? Mode.relu6 + Mode.fixed : Mode.relu6;
  const room = linesFor(block, band) * lineBytes;

  kernels.zeroBytes({ at: s.wide, bytes: room });
  let made = 0; // padded lines already in the buffer, from the band's first
  for (let first = 0; first < outSize; first += band) {
    const lines = Math.min(band, outSize - first);
    const need = linesFor(block, lines);
    const top = first * stride - padBefore; // the line of x at the buffer's start
    const from = Math.max(0, top + made);
    const to = Math.min(size, top + need);
    if (to > from) {
      const a = rows(from, to - from); // [(to - from) size, input]
      arithmetic.linear(a, block.expand, s.wide + (from - top) * lineBytes + padBefore * cell, {
        stride: cell,
        line: { width: size, gap: (padded - size) * cell },
        mode,
      }); // [to - from, padded, wide]
    }
    const full = Math.max(made, to - top);
    kernels.zeroBytes({ at: s.wide + full * lineBytes, bytes: (need - full) * lineBytes }); // lines below the picture
    onWide?.();
    const d = depthwiseRows(engine, s, block, lines, lineBytes); // [lines outSize, wide]
    arithmetic.linear(d, block.project, out + first * outSize * block.output * 4, {
      mode: residual ? Mode.add : Mode.none,
    }); // [lines outSize, output]
    made = Math.max(0, kernel - stride);
    kernels.copyBytes({ from: s.wide + (need - made) * lineBytes, to: s.wide, bytes: made * lineBytes });
  }
}

function depthwiseRows(
  engine: Engine,
  { wide, rowsWide }: BandState,
  block: InvertedResidual & BlockWeights,
  lines: number,
  lineBytes: number,
): PackedRows {
  const { kernels, arithmetic } = engine;
  const { kernel, stride, outSize, depthwise } = block;
  const { taps: weights, scale, bias } = depthwise;
  const m = lines * outSize;
  const call = {
    input: wide,
    lineBytes,
    kernel,
    stride,
    weights,
    scale,
    bias,
    channels: block.wide,
    across: outSize,
    lines,
    firstRow: 0,
    m,
    out: rowsWide.data,
  };
  if (arithmetic.precision === 'int8') kernels.depthwiseInt8(call);
  else kernels.depthwiseF32(call);
  return { ...rowsWide, m };
}

/** The wide activation without its padding, f32 [size, size, wide]; the band holds all lines. */
export function wideActivation(
  engine: Engine,
  s: BandState,
  { size, wide, padded, padBefore }: InvertedResidual,
): Float32Array {
  const values = new Float32Array(size * size * wide);
  for (let y = 0; y < size; y++) {
    const line = s.wide + ((y + padBefore) * padded + padBefore) * wide * 4;
    values.set(engine.view(line, size * wide), y * size * wide);
  }
  return values;
}
