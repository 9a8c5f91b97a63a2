/**
 * EfficientNet-Lite (Tan & Le 2019; timm's `tf_efficientnet_lite0`) as an image tower: inverted residual blocks
 * (inverted-residual.ts) without squeeze-excite, ReLU6, TensorFlow's "same" padding, batch norm folded into the weights.
 */
import type { Linear, PackedRows, Precision, RowBuffer } from '../engine/arithmetic.ts';
import { Mode } from '../engine/calls.ts';
import { PANEL_COLUMNS, ROW_GROUP } from '../engine/contract.ts';
import type { Engine, Probe } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import type { EfficientNetConfig } from './config.ts';
import {
  type BandState,
  type BlockWeights,
  bandLines,
  blockSlots,
  blockWeights,
  type InvertedResidual,
  invertedResidual,
  invertedResiduals,
  linesFor,
  samePadding,
  wideActivation,
} from './inverted-residual.ts';
import { centerPixels, gatherPatches, type PixelState, planPixels, type Windows } from './pixels.ts';
import { convolution, published, type TowerSlot } from './slots.ts';
import {
  HALVED_FIVE_TIMES,
  type ImageEncoder,
  type ImagePlanOptions,
  type ImageTower,
  type TowerOutput,
} from './tower.ts';

const STEM = { window: 3, stride: 2 };

/** The blocks of a configuration, with their sizes. */
export const residualBlocks = (config: EfficientNetConfig) => invertedResiduals(config, stemWindows(config).across);

export function efficientNet(config: EfficientNetConfig, embedDim: number): ImageTower {
  const blocks = residualBlocks(config);
  const shape = `stages of ${config.stages.map(({ repeats }) => repeats).join(', ')} blocks`;
  return {
    description: config.kind,
    summary: `an EfficientNet with ${shape}`,
    shape,
    sizes: HALVED_FIVE_TIMES,
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

interface EfficientNetState extends PixelState, BandState {
  /** Output lines per band, for each block. */
  readonly bands: readonly number[];
  /** Packed rows of a band's input. */
  readonly rowsIn: RowBuffer;
  /** Block inputs and outputs, alternating, f32 [pixels, channels]. */
  readonly x: readonly [Pointer, Pointer];
  readonly features: Pointer;
  readonly pooled: Pointer;
  readonly embedding: Pointer;
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
    this.#blocks = blocks.map((block, i) => ({
      ...block,
      ...blockWeights(weights, `visual.trunk.${block.name}`, i === 0 ? 'visual.trunk.conv_stem' : undefined),
    }));
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
      invertedResidual(engine, s, block, {
        band: s.bands[i]!,
        rows: (from, lines) => this.#bandRows(i, x, from, lines),
        out: residual ? x : y,
        residual,
        onWide:
          i === 0 && probe
            ? () => probe('image.stem', [block.size, block.size, block.wide], wideActivation(engine, s, block))
            : undefined,
      }); // [outSize, outSize, output]
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

  /** Lines [from, from + lines) of the block's input as packed rows: of x, or of the stem's windows. */
  #bandRows(i: number, x: Pointer, from: number, lines: number): PackedRows {
    const s = this.#state;
    if (i === 0) return gatherPatches(this.#engine, s, stemWindows(this.config), from, lines);
    const { size, input } = this.#blocks[i]!;
    return this.#engine.arithmetic.pack(x + from * size * input * 4, lines * size, input, s.rowsIn);
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
