/** Where everything of a model lies in its one memory. */

import { Arithmetic, type Precision } from '../engine/arithmetic.ts';
import type { Engine } from '../engine/engine.ts';
import type { Weights } from '../engine/layout.ts';
import { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import { ThreadPool } from '../engine/threads/pool.ts';
import type { splitKernels } from '../engine/threads/split.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import { resampleBytes } from '../image/resample.ts';
import type { Tower } from '../weights/names.ts';
import type { TowerFile } from '../weights/open-tower.ts';
import type { ClipConfig } from './config.ts';
import { EfficientNet } from './efficientnet.ts';
import { ImagePrograms, type SeatTower } from './image-programs.ts';
import { TextTransformer } from './text-transformer.ts';
import { tokenCount, VisionTransformer } from './vision-transformer.ts';

export interface PlanInput {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly precision: Precision;
  /** The towers to load, opened. */
  readonly opened: Partial<Record<Tower, TowerFile>>;
  readonly maxPixels: number;
  readonly threads: number;
  /** `splitKernels`, where there are threads. */
  readonly split?: typeof splitKernels | undefined;
  /** Layers in one piece, for a probe. */
  readonly whole: boolean;
}

/** Puts the image tower on its planned activations. */
type ImageTower = (weights: Weights, engine: Engine) => VisionTransformer | EfficientNet;

/** All addresses of a model: weights first, then what both towers share, then each tower's activations over the other's. */
export function planModel({ config, preprocess, precision, opened, maxPixels, threads, split, whole }: PlanInput) {
  const { vision, text, embedDim } = config;
  const plan = new MemoryPlan();
  const places: Partial<Record<Tower, number>> = {};
  for (const tower of ['image', 'text'] as const) {
    const file = opened[tower];
    if (file) places[tower] = plan.reserve(`${tower} weights`, file.layout.byteLength);
  }
  const ofVision = vision.kind === 'vit' ? [vision.width, vision.mlpWidth, vision.patch ** 2 * 3] : [vision.head];
  const widths = [text.width, text.mlpWidth, ...ofVision];
  const keys = Math.max(text.contextLength, vision.kind === 'vit' ? tokenCount(vision) : 0);
  const scratchBytes = roundUp(Arithmetic.scratchBytes(Math.max(...widths), keys), 64);
  const scratch = { at: plan.reserve('scratch', scratchBytes * threads), bytes: scratchBytes };
  const control = threads > 1 ? plan.reserve('threads', ThreadPool.controlBytes(threads)) : 0;
  const resample = opened.image ? plan.reserve('resize', resampleBytes({ target: preprocess.size, maxPixels })) : 0;
  const { mean } = preprocess;
  const planImage = (threads: number): ImageTower => {
    if (vision.kind === 'vit') {
      const state = VisionTransformer.plan(plan, precision, vision, embedDim, mean, threads);
      return (weights, engine) => new VisionTransformer(vision, weights, state, engine);
    }
    const state = EfficientNet.plan(plan, precision, vision, embedDim, mean, whole);
    return (weights, engine) => new EfficientNet(vision, weights, state, engine);
  };
  // The first tower has all threads, or is the first of several seats. A probe wants no programs.
  const seats = whole ? 1 : threads;
  const [images, textState] = plan.overlap(
    () => Array.from({ length: opened.image ? seats : 0 }, (_, i) => planImage(i === 0 ? threads : 1)),
    () => (opened.text ? TextTransformer.plan(plan, precision, text, embedDim, threads) : undefined),
  );
  const image = images[0];
  const weights = opened.image?.layout.at(places.image!);
  const towers = images.map(
    (tower): SeatTower =>
      (engine) =>
        tower(weights!, engine),
  );
  const programs = split && towers.length > 1 ? ImagePrograms.plan(plan, precision, towers, scratch, split) : undefined;
  return { plan, places, scratch, control, resample, image, programs, text: textState };
}
