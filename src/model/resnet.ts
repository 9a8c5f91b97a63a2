/**
 * CLIP's image tower as a ResNet (He et al. 2016) in OpenAI's variant (`model.py`, ModifiedResNet): a stem of three
 * convolutions and an average pool, strides that are average pools before a convolution (Zhang 2019, anti-aliasing), attention
 * pooling. Batch norms are folded into the convolutions, which are products: 1x1 of pixels, 3x3 of windows.
 */
import { Arithmetic, type Linear, type PackedRows, type RowBuffer } from '../engine/arithmetic.ts';
import { Mode } from '../engine/calls.ts';
import { ROW_BLOCK } from '../engine/contract.ts';
import type { Engine, Probe } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import { AttentionPool, type AttentionPoolState } from './attention-pool.ts';
import { type Bottleneck, bottlenecks, bottlenecksInMemory, EXPANSION } from './bottleneck.ts';
import type { ResNetConfig } from './config.ts';
import { trainedSize } from './image-size.ts';
import { lineOf, type PaddedImage, paddedBytes, within } from './padded-image.ts';
import { centerPixels, gatherPatches, type PixelState, planPixels, type Windows } from './pixels.ts';
import { convolution, inMemory, type TowerSlot } from './slots.ts';
import {
  HALVED_FIVE_TIMES,
  type ImageEncoder,
  type ImagePlanOptions,
  type ImageTower,
  type TowerOutput,
} from './tower.ts';

/** torch's BatchNorm2d; OpenAI's code leaves it at the default. */
const BATCH_NORM_EPS = 1e-5;

/** Factor from the picture's side to the last layer's: `image_size // 32` in OpenAI's code. */
const REDUCTION = 32;

/** Length of the last layer's vectors. */
const features = ({ width }: ResNetConfig) => width * 8 * EXPANSION;

const pooling = (config: ResNetConfig, embedDim: number) => ({
  name: 'visual.attnpool',
  pixels: (config.imageSize / REDUCTION) ** 2,
  grid: { trained: trainedSize(config) / REDUCTION, size: config.imageSize / REDUCTION },
  width: features(config),
  heads: config.heads,
  embedDim,
});

export function resNet(config: ResNetConfig, embedDim: number): ImageTower {
  const { layers, width } = config;
  const pool = pooling(config, embedDim);
  return {
    description: `ResNet, layers ${layers.join(' ')}, width ${width}`,
    summary: `a ResNet with ${layers.join(', ')} blocks, ${width} channels after the stem and pictures of ${config.imageSize}`,
    shape: `stages of ${layers.join(', ')} blocks`,
    sizes: HALVED_FIVE_TIMES,
    scratch: { width: Math.max(features(config), 9 * width * 8), keys: pool.pixels + 1 },
    slots: () => slots(config, embedDim),
    plan(memory, options) {
      const state = ResNet.plan(memory, options, config, embedDim);
      return (weights, engine) => new ResNet(config, embedDim, weights, state, engine);
    },
  };
}

/** Channels of the stem's first two convolutions: `width // 2` in OpenAI's code. */
const stemHalf = ({ width }: ResNetConfig) => Math.floor(width / 2);

function slots(config: ResNetConfig, embedDim: number): TowerSlot[] {
  const conv = (name: string, norm: string, n: number, input: number, window: 1 | 3): TowerSlot => ({
    kind: 'linear',
    name: `visual.${name}`,
    n: inMemory(n),
    k: window * window * inMemory(input),
    bias: true,
    from: convolution(`visual.${name}`, [n, input, window, window], `visual.${norm}`, BATCH_NORM_EPS),
  });
  const half = stemHalf(config);
  const stem = conv('conv1', 'bn1', half, 3, 3);
  return [
    { ...stem, k: 9 * STEM_CHANNELS, from: { ...stem.from, pixels: STEM_CHANNELS } } as TowerSlot,
    conv('conv2', 'bn2', half, half, 3),
    conv('conv3', 'bn3', config.width, half, 3),
    ...bottlenecks(config).flatMap(({ name, input, planes, output, downsamples }) => [
      conv(`${name}.conv1`, `${name}.bn1`, planes, input, 1),
      ...(downsamples ? [conv(`${name}.downsample.0`, `${name}.downsample.1`, output, input, 1)] : []),
      conv(`${name}.conv2`, `${name}.bn2`, planes, planes, 3),
      conv(`${name}.conv3`, `${name}.bn3`, output, planes, 1),
    ]),
    ...AttentionPool.slots(pooling(config, embedDim)),
  ];
}

/** The picture is padded, and OpenAI's mean is between two integers: a fourth channel says where the picture is. */
const STEM_CHANNELS = 4;

/** The first convolution as windows over the picture: 3x3, stride 2, a border of one pixel. */
function stemWindows({ imageSize }: ResNetConfig): Windows {
  return { imageSize, channels: STEM_CHANNELS, window: 3, stride: 2, padBefore: 1, across: imageSize / 2 };
}

/**
 * Lines of an image that are multiplied together, a multiple of `step`: no more rows than a GEMM takes at once, unless `step`
 * lines have more.
 */
function bandLines(size: number, step: number): number {
  const most = Math.max(1, Math.floor(ROW_BLOCK / (size * step))) * step;
  return roundUp(Math.ceil(size / Math.ceil(size / most)), step);
}

interface ResNetState extends PixelState, AttentionPoolState {
  /** Packed rows of a band: pixels or windows. */
  readonly rows: RowBuffer;
  /** What a 3x3 convolution reads, of all lines. */
  readonly bordered: Pointer;
  /** What it writes of a band, f32 [rows, channels]; and after an average pool. */
  readonly inner: Pointer;
  readonly halved: Pointer;
  /** Outputs of the stem and the layers in turns, f32 [pixels, channels]; the second is bordered within the stem. */
  readonly x: readonly [Pointer, Pointer];
  /** The last layer's output, f32 [pixels, width]. */
  readonly features: Pointer;
}

interface BlockWeights {
  readonly conv1: Linear;
  readonly conv2: Linear;
  readonly conv3: Linear;
  readonly downsample: Linear | undefined;
}

class ResNet implements ImageEncoder {
  readonly config: ResNetConfig;
  readonly #engine: Engine;
  readonly #state: ResNetState;
  readonly #stem: readonly [Linear, Linear, Linear];
  readonly #blocks: readonly (Bottleneck & BlockWeights)[];
  readonly #pool: AttentionPool;

  constructor(config: ResNetConfig, embedDim: number, weights: Weights, state: ResNetState, engine: Engine) {
    this.config = config;
    this.#engine = engine;
    this.#state = state;
    const linear = (name: string) => weights.linear(`visual.${name}`);
    this.#stem = [linear('conv1'), linear('conv2'), linear('conv3')];
    this.#blocks = bottlenecksInMemory(config).map((block) => ({
      ...block,
      conv1: linear(`${block.name}.conv1`),
      conv2: linear(`${block.name}.conv2`),
      conv3: linear(`${block.name}.conv3`),
      downsample: block.downsamples ? linear(`${block.name}.downsample.0`) : undefined,
    }));
    this.#pool = new AttentionPool(pooling(config, embedDim), weights, state, engine);
  }

  static plan(
    plan: MemoryPlan,
    { precision, mean }: ImagePlanOptions,
    config: ResNetConfig,
    embedDim: number,
  ): ResNetState {
    const name = 'image activations';
    const width = inMemory(config.width);
    const half = inMemory(stemHalf(config));
    const stem = config.imageSize / 2;
    const blocks = bottlenecksInMemory(config);
    const most = (...values: number[]) => Math.max(...values);
    const each = (value: (block: Bottleneck) => number) => most(...blocks.map(value));
    const rows = (size: number, step: number) => bandLines(size, step) * size;
    const outputs = (parity: number) =>
      each(({ stage, outSize, output }) => (stage % 2 === parity && stage < 3 ? outSize ** 2 * output * 4 : 0));
    return {
      ...planPixels(plan, name, precision, stemWindows(config), mean, bandLines(stem, 1)),
      rows: Arithmetic.reserveRows(plan, name, precision, [
        [rows(stem, 2), 9 * half],
        ...blocks.flatMap(({ size, stride, input, planes, outSize }): [number, number][] => [
          [rows(size, stride), 9 * planes],
          [rows(size, stride), input],
          [bandLines(size, stride) * outSize, planes],
        ]),
      ]),
      bordered: plan.reserve(name, most(paddedBytes(stem, half), each(({ size, planes }) => paddedBytes(size, planes)))), // biome-ignore format: one line a buffer
      inner: plan.reserve(name, most(rows(stem, 2) * width, each(({ size, stride, planes }) => rows(size, stride) * planes)) * 4), // biome-ignore format: as above
      halved: plan.reserve(name, each(({ size, stride, input }) => (rows(size, stride) / stride ** 2) * input) * 4),
      x: [
        plan.reserve(name, most((stem / 2) ** 2 * width * 4, outputs(1))),
        plan.reserve(name, most(paddedBytes(stem, half), outputs(0))),
      ],
      features: plan.reserve(name, (config.imageSize / REDUCTION) ** 2 * features(config) * 4),
      ...AttentionPool.plan(plan, name, precision, pooling(config, embedDim)),
    };
  }

  get pixels(): Pointer {
    return this.#state.pixels;
  }

  get tokens() {
    return { at: this.#state.features, rows: (this.config.imageSize / REDUCTION) ** 2, width: features(this.config) };
  }

  /** All of the last layer's pixels are keys of the pooling, so both outputs are the same work. */
  encode(_output: TowerOutput = 'pooled', probe?: Probe): Pointer {
    const engine = this.#engine;
    const s = this.#state;
    const [x0, x1] = s.x;
    const outputs = [x1, x0, x1, s.features];
    const see = (name: string, size: number, channels: number, at: Pointer) =>
      probe?.(name, [size, size, channels], engine.view(at, size * size * channels).slice());

    this.#runStem(x0, x1); // [imageSize / 4, imageSize / 4, width]
    see('vision.stem', this.config.imageSize / 4, inMemory(this.config.width), x0);
    let x = x0;
    for (const block of this.#blocks) {
      const out = outputs[block.stage]!;
      this.#bottleneck(block, x, out); // [outSize, outSize, output]
      x = out;
      if (block.lastOfStage) see(`vision.layer${block.stage + 1}`, block.outSize, block.output, x);
    }
    return this.#pool.encode(s.features); // [embedDim]
  }

  /** Three 3x3 convolutions, the first with stride 2, each with ReLU, and an average pool: into `out`; `spare` is overwritten. */
  #runStem(out: Pointer, spare: Pointer): void {
    const engine = this.#engine;
    const { arithmetic, kernels } = engine;
    const s = this.#state;
    const [conv1, conv2, conv3] = this.#stem;
    const width = inMemory(this.config.width);
    const half = inMemory(stemHalf(this.config));
    const size = this.config.imageSize / 2;
    const first: PaddedImage = { at: s.bordered, size, channels: half };
    const second: PaddedImage = { at: spare, size, channels: half };

    centerPixels(engine, s, stemWindows(this.config)); // [imageSize + 1, imageSize + 1, 4]
    this.#bands(size, 1, first, (line, lines) => {
      const a = gatherPatches(engine, s, stemWindows(this.config), line, lines); // [lines size, 9 * 4]
      arithmetic.linear(a, conv1, lineOf(first, line), { ...within(first), mode: Mode.relu }); // [lines, size + 2, half]
    });
    this.#bands(size, 1, second, (line, lines) => {
      const a = this.#windows(first, line, lines); // [lines size, 9 half]
      arithmetic.linear(a, conv2, lineOf(second, line), { ...within(second), mode: Mode.relu }); // [lines, size + 2, half]
    });
    this.#bands(size, 2, undefined, (line, lines) => {
      const a = this.#windows(second, line, lines); // [lines size, 9 half]
      arithmetic.linear(a, conv3, s.inner, { mode: Mode.relu }); // [lines size, width]
      const at = out + (line / 2) * (size / 2) * width * 4;
      kernels.averagePool({ x: s.inner, across: size / 2, channels: width, lines: lines / 2, out: at }); // [lines / 2, size / 2, width]
    });
  }

  /** out = relu(conv3(pool(relu(conv2(relu(conv1(x)))))) + residual); without downsampling the residual is x, and out is x. */
  #bottleneck(block: Bottleneck & BlockWeights, x: Pointer, out: Pointer): void {
    const { arithmetic } = this.#engine;
    const s = this.#state;
    const { size, outSize, stride, input, planes, output, conv1, conv2, conv3, downsample } = block;
    const inner: PaddedImage = { at: s.bordered, size, channels: planes };

    this.#bands(size, 1, inner, (line, lines) => {
      const a = arithmetic.pack(x + line * size * input * 4, lines * size, input, s.rows); // [lines size, input]
      arithmetic.linear(a, conv1, lineOf(inner, line), { ...within(inner), mode: Mode.relu }); // [lines, size + 2, planes]
    });
    this.#bands(size, stride, undefined, (line, lines) => {
      const m = (lines / stride) * outSize;
      const at = out + (line / stride) * outSize * output * 4;
      if (downsample) {
        const pixels = this.#pooled(x + line * size * input * 4, block, lines, input); // [m, input]
        arithmetic.linear(arithmetic.pack(pixels, m, input, s.rows), downsample, at); // [m, output]
      }
      const a = this.#windows(inner, line, lines); // [lines size, 9 planes]
      arithmetic.linear(a, conv2, s.inner, { mode: Mode.relu }); // [lines size, planes]
      const pixels = this.#pooled(s.inner, block, lines, planes); // [m, planes]
      arithmetic.linear(arithmetic.pack(pixels, m, planes, s.rows), conv3, at, { mode: Mode.add | Mode.relu }); // [m, output]
    });
  }

  /** Calls `work` for each band of an image's lines, whole `step`s; `into`, which it fills, gets its border before. */
  #bands(size: number, step: number, into: PaddedImage | undefined, work: (line: number, lines: number) => void): void {
    if (into) this.#engine.kernels.zeroBorder({ image: into.at, size, pixelBytes: into.channels * 4 });
    const band = bandLines(size, step);
    for (let line = 0; line < size; line += band) work(line, Math.min(band, size - line));
  }

  #windows({ at, size, channels }: PaddedImage, line: number, lines: number): PackedRows {
    const image = { at, lineBytes: (size + 2) * channels * 4, channels, across: size };
    return this.#engine.arithmetic.windows(image, line * size, lines * size, this.#state.rows);
  }

  /** `lines` lines of a block's size after its stride: themselves, or averaged 2x2. */
  #pooled(x: Pointer, { stride, outSize }: Bottleneck, lines: number, channels: number): Pointer {
    if (stride === 1) return x;
    const { halved: out } = this.#state;
    this.#engine.kernels.averagePool({ x, across: outSize, channels, lines: lines / 2, out });
    return out;
  }
}
