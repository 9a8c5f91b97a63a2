/**
 * EfficientNet-Lite (Tan & Le 2019; timm's `tf_efficientnet_lite0`) as an image tower: inverted residual blocks (Sandler
 * et al. 2018) without squeeze-excite, ReLU6, TensorFlow's "same" padding, batch norm folded into the weights.
 * A block's wide activation is computed and consumed in bands of lines that stay in cache.
 */
import type { Linear, PackedRows, Precision, RowBuffer } from '../engine/arithmetic.ts';
import { Mode } from '../engine/calls.ts';
import { PANEL_COLUMNS, ROW_GROUP } from '../engine/contract.ts';
import type { Engine, Probe } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { FIXED_SCALE, roundUp } from '../engine/numerics.ts';
import type { EfficientNetConfig } from './config.ts';
import { centerPixels, gatherPatches, type PixelState, planPixels, type Windows } from './pixels.ts';
import { convolution, published, type TowerSlot } from './slots.ts';
import type { ImageEncoder, ImagePlanOptions, ImageTower, TowerOutput } from './tower.ts';

/** One inverted residual block: expand 1x1, depthwise, project 1x1. The first block expands by the stem instead. */
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

const STEM = { window: 3, stride: 2 };

/** "same" padding before the first pixel, and padded size: total = max((out - 1) stride + kernel - in, 0). */
function samePadding(size: number, kernel: number, stride: number) {
  const outSize = Math.ceil(size / stride);
  const total = Math.max((outSize - 1) * stride + kernel - size, 0);
  return { outSize, padBefore: Math.floor(total / 2), padded: size + total };
}

/** The blocks of a configuration, with their sizes. */
export function invertedResiduals(config: EfficientNetConfig): InvertedResidual[] {
  const blocks: InvertedResidual[] = [];
  let size = samePadding(config.imageSize, STEM.window, STEM.stride).outSize;
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

export function efficientNet(config: EfficientNetConfig, embedDim: number): ImageTower {
  const blocks = invertedResiduals(config);
  return {
    description: config.kind,
    summary: `an EfficientNet with stages of ${config.stages.map(({ repeats }) => repeats).join(', ')} blocks`,
    scratch: { width: config.head, keys: 0 },
    slots: () => slots(config, blocks, embedDim),
    plan(memory, options) {
      const state = EfficientNet.plan(memory, options, config, blocks, embedDim);
      return (weights, engine) => new EfficientNet(config, blocks, weights, state, engine);
    },
  };
}

function slots(config: EfficientNetConfig, blocks: readonly InvertedResidual[], embedDim: number): TowerSlot[] {
  const trunk = 'visual.trunk';
  const { stem, head, bnEps: eps } = config;
  const { output } = blocks.at(-1)!;
  const conv = (conv: string, shape: readonly number[], norm: string) =>
    convolution(`${trunk}.${conv}`, shape, `${trunk}.${norm}`, eps);
  const { window } = STEM;
  const projection = published([embedDim, head], 'visual.head.proj.weight');
  return [
    {
      kind: 'linear',
      name: `${trunk}.conv_stem`,
      n: stem,
      k: window ** 2 * 3,
      bias: true,
      from: { ...conv('conv_stem', [stem, 3, window, window], 'bn1'), pixels: 3 },
    },
    ...blocks.flatMap((block) => blockSlots(trunk, block, eps)),
    {
      kind: 'linear',
      name: `${trunk}.conv_head`,
      n: head,
      k: output,
      bias: true,
      from: conv('conv_head', [head, output, 1, 1], 'bn2'),
    },
    {
      kind: 'linear',
      name: 'visual.head.proj',
      n: embedDim,
      k: head,
      bias: config.projectionBias,
      from: {
        weight: projection,
        ...(config.projectionBias && { bias: published([embedDim], 'visual.head.proj.bias') }),
      },
    },
    // 16 bits for a projection that does not lie on an int8 grid (src/weights/residuals.ts decides), for less than 1 % of the work.
    {
      kind: 'linear',
      name: 'visual.head.proj.residual',
      n: embedDim,
      k: head,
      bias: false,
      residualOf: 'visual.head.proj',
      from: { weight: projection },
    },
  ];
}

/**
 * timm's names: `conv_pw` expands, `conv_dw` is depthwise, `conv_pwl` projects. A block without expansion (depthwise
 * separable) has no `conv_pwl`: there `conv_pw` projects, and its batch norms are numbered from the depthwise one.
 */
function blockSlots(trunk: string, { name, expands, input, wide, output, kernel }: InvertedResidual, eps: number) {
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

interface EfficientNetState extends PixelState {
  /** Output lines per band, for each block. */
  readonly bands: readonly number[];
  /** Packed rows of a band's input, and of its depthwise output. */
  readonly rowsIn: RowBuffer;
  readonly rowsWide: RowBuffer;
  /** The padded wide activation of a band. */
  readonly wide: Pointer;
  /** Block inputs and outputs, alternating, f32 [pixels, channels]. */
  readonly x: readonly [Pointer, Pointer];
  readonly features: Pointer;
  readonly pooled: Pointer;
  readonly embedding: Pointer;
}

interface BlockWeights {
  readonly expand: Linear;
  readonly depthwise: { taps: Pointer; scale: Pointer; bias: Pointer };
  readonly project: Linear;
}

/** Lines of wide activation that are needed for `lines` output lines. */
const linesFor = ({ kernel, stride }: InvertedResidual, lines: number) => (lines - 1) * stride + kernel;

function bandLines(block: InvertedResidual, cell: number): number {
  const lineBytes = block.padded * block.wide * cell;
  const lines = Math.floor((BAND_BYTES / lineBytes - block.kernel) / block.stride) + 1;
  return Math.min(block.outSize, Math.max(2, lines - (lines % 2)));
}

class EfficientNet implements ImageEncoder {
  readonly config: EfficientNetConfig;
  readonly #engine: Engine;
  readonly #state: EfficientNetState;
  readonly #blocks: readonly (InvertedResidual & BlockWeights)[];
  readonly #head: Linear;
  readonly #proj: Linear;
  readonly #residual: Linear | undefined;

  constructor(
    config: EfficientNetConfig,
    blocks: readonly InvertedResidual[],
    weights: Weights,
    state: EfficientNetState,
    engine: Engine,
  ) {
    this.config = config;
    this.#engine = engine;
    this.#state = state;
    this.#blocks = blocks.map((block, i) => {
      const name = `visual.trunk.${block.name}`;
      const taps = `${name}.depthwise`;
      return {
        ...block,
        expand: weights.linear(i === 0 ? 'visual.trunk.conv_stem' : `${name}.expand`),
        depthwise: {
          taps: weights.pointer(`${taps}.taps`),
          scale: weights.pointer(`${taps}.scale`),
          bias: weights.pointer(`${taps}.bias`),
        },
        project: weights.linear(`${name}.project`),
      };
    });
    this.#head = weights.linear('visual.trunk.conv_head');
    this.#proj = weights.linear('visual.head.proj');
    this.#residual = weights.has('visual.head.proj.residual') ? weights.linear('visual.head.proj.residual') : undefined;
  }

  /** `whole`: a band is all lines. */
  static plan(
    plan: MemoryPlan,
    { precision, mean, whole }: ImagePlanOptions,
    config: EfficientNetConfig,
    blocks: readonly InvertedResidual[],
    embedDim: number,
  ): EfficientNetState {
    const name = 'image activations';
    const cell = precision === 'int8' ? 2 : 4;
    const bands = blocks.map((block) => (whole ? block.outSize : bandLines(block, cell)));
    const most = (bytes: (block: InvertedResidual, band: number) => number) =>
      Math.max(...blocks.map((block, i) => bytes(block, bands[i]!)));
    const lines = (block: InvertedResidual, band: number) => Math.min(block.size, linesFor(block, band));
    const last = blocks.at(-1)!;
    const values = Math.max(...blocks.map((block) => block.outSize ** 2 * block.output));
    const rowsIn = most((block, band) => roundUp(lines(block, band) * block.size, ROW_GROUP) * block.input);
    const headIn = roundUp(last.outSize ** 2, ROW_GROUP) * last.output;
    return {
      ...planPixels(plan, name, precision, stemWindows(config), mean, lines(blocks[0]!, bands[0]!)),
      bands,
      rowsIn: rowBuffer(plan, name, precision, Math.max(rowsIn, headIn, config.head), blocks[0]!.size ** 2),
      rowsWide: rowBuffer(plan, name, precision, most((block, band) => roundUp(band * block.outSize, ROW_GROUP) * block.wide), 0), // biome-ignore format: as above
      wide: plan.reserve(name, most((block, band) => linesFor(block, band) * block.padded * block.wide * cell)), // biome-ignore format: one line a buffer
      x: [plan.reserve(name, values * 4), plan.reserve(name, values * 4)],
      features: plan.reserve(name, last.outSize ** 2 * config.head * 4),
      pooled: plan.reserve(name, config.head * 4),
      embedding: plan.reserve(name, roundUp(embedDim, PANEL_COLUMNS) * 4),
    };
  }

  get pixels(): Pointer {
    return this.#state.pixels;
  }

  get tokens() {
    return { at: this.#state.features, rows: this.#blocks.at(-1)!.outSize ** 2, width: this.config.head };
  }

  /** All of the last layer's pixels are pooled, so both outputs are the same work. */
  encode(_output: TowerOutput = 'pooled', probe?: Probe): Pointer {
    const engine = this.#engine;
    const { arithmetic, kernels } = engine;
    const s = this.#state;
    const see = (name: string, shape: number[], at: Pointer) =>
      probe?.(name, shape, engine.view(at, shape.reduce((a, b) => a * b)).slice()); // biome-ignore format: one line

    centerPixels(engine, s, stemWindows(this.config)); // [imageSize, imageSize, 3]
    let [x, y] = s.x;
    for (const [i, block] of this.#blocks.entries()) {
      const residual = i > 0 && block.stride === 1 && block.input === block.output;
      this.#invertedResidual(i, x, residual ? x : y, residual, i === 0 ? probe : undefined); // [outSize, outSize, output]
      if (!residual) [x, y] = [y, x];
      if (block.lastOfStage) see(`image.stage.${block.stage}`, [block.outSize, block.outSize, block.output], x);
    }
    const { outSize, output } = this.#blocks.at(-1)!;
    const pixels = outSize * outSize;
    const a = arithmetic.pack(x, pixels, output, s.rowsIn); // [pixels, output]
    arithmetic.linear(a, this.#head, s.features, { mode: Mode.relu6 }); // [pixels, head]
    see('image.head', [outSize, outSize, this.#head.n], s.features);
    kernels.meanRows({ x: s.features, m: pixels, n: this.#head.n, out: s.pooled }); // [1, head]
    const pooled = arithmetic.pack(s.pooled, 1, this.#head.n, s.rowsIn); // [1, head]
    arithmetic.linear(pooled, this.#proj, s.embedding); // [embedDim]
    if (this.#residual) arithmetic.linear(pooled, this.#residual, s.embedding, { mode: Mode.add }); // [embedDim]
    return s.embedding;
  }

  /** Block i from x to `out`, which is x itself where the block is residual. */
  #invertedResidual(i: number, x: Pointer, out: Pointer, residual: boolean, probe?: Probe): void {
    const engine = this.#engine;
    const { arithmetic, kernels } = engine;
    const s = this.#state;
    const block = this.#blocks[i]!;
    const { wide, padded, padBefore, size, outSize, kernel, stride } = block;
    const int8 = arithmetic.precision === 'int8';
    const cell = wide * (int8 ? 2 : 4);
    const lineBytes = padded * cell;
    const band = s.bands[i]!;
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
        const a = this.#bandRows(i, x, from, to - from); // [(to - from) size, input]
        arithmetic.linear(a, block.expand, s.wide + (from - top) * lineBytes + padBefore * cell, {
          stride: cell,
          line: { width: size, gap: (padded - size) * cell },
          mode,
        }); // [to - from, padded, wide]
      }
      const full = Math.max(made, to - top);
      kernels.zeroBytes({ at: s.wide + full * lineBytes, bytes: (need - full) * lineBytes }); // lines below the picture
      if (probe) probe('image.stem', [size, size, wide], this.#interior(block));
      const d = this.#depthwise(block, lines, lineBytes); // [lines outSize, wide]
      arithmetic.linear(d, block.project, out + first * outSize * block.output * 4, {
        mode: residual ? Mode.add : Mode.none,
      }); // [lines outSize, output]
      made = Math.max(0, kernel - stride);
      kernels.copyBytes({ from: s.wide + (need - made) * lineBytes, to: s.wide, bytes: made * lineBytes });
    }
  }

  /** Lines [from, from + lines) of the block's input as packed rows: of x, or of the stem's windows. */
  #bandRows(i: number, x: Pointer, from: number, lines: number): PackedRows {
    const s = this.#state;
    if (i === 0) return gatherPatches(this.#engine, s, stemWindows(this.config), from, lines);
    const { size, input } = this.#blocks[i]!;
    return this.#engine.arithmetic.pack(x + from * size * input * 4, lines * size, input, s.rowsIn);
  }

  #depthwise(block: InvertedResidual & BlockWeights, lines: number, lineBytes: number): PackedRows {
    const { kernels, arithmetic } = this.#engine;
    const { wide, rowsWide } = this.#state;
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

  /** The wide activation without its padding, for a probe; the band holds all lines. */
  #interior({ size, wide, padded, padBefore }: InvertedResidual): Float32Array {
    const values = new Float32Array(size * size * wide);
    for (let y = 0; y < size; y++) {
      const line = this.#state.wide + ((y + padBefore) * padded + padBefore) * wide * 4;
      values.set(this.#engine.view(line, size * wide), y * size * wide);
    }
    return values;
  }
}

/** The stem as windows over the picture: 3x3, stride 2. */
function stemWindows({ imageSize }: EfficientNetConfig): Windows {
  const { outSize, padBefore } = samePadding(imageSize, STEM.window, STEM.stride);
  return { imageSize, channels: 3, ...STEM, padBefore, across: outSize };
}

/** Reserves packed rows of `values` values in all, at most `rows` rows with a scale each (0: no scales needed). */
function rowBuffer(plan: MemoryPlan, name: string, precision: Precision, values: number, rows: number): RowBuffer {
  const int8 = precision === 'int8';
  return {
    data: plan.reserve(name, values * (int8 ? 2 : 4)),
    scale: int8 && rows > 0 ? plan.reserve(name, rows * 4) : 0,
    halves: 0, // k and n are too small to gain from Strassen's products
  };
}
