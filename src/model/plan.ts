/** Where everything of a model lies in its one memory. */

import { Arithmetic, type Precision } from '../engine/arithmetic.ts';
import type { Engine } from '../engine/engine.ts';
import type { Layout } from '../engine/layout.ts';
import { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import type { ClipConfig, Tower } from './config.ts';
import { imageTower, textTower } from './registry.ts';

/** The module of what several threads need. */
export type Threading = typeof import('./threading.ts');

export interface PlanInput {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly precision: Precision;
  /** The towers to load, opened: what the plan needs is how their weights are laid out. */
  readonly opened: { readonly [T in Tower]?: { readonly layout: Layout } };
  readonly threads: number;
  /** Where there is more than one thread. */
  readonly threading?: Threading | undefined;
  /** Every layer in one piece, for a probe. */
  readonly whole: boolean;
}

/** All addresses of a model: weights first, then what both towers share, then the activations, those of one tower over the other's. */
export async function planModel({ config, preprocess, precision, opened, threads, threading, whole }: PlanInput) {
  const plan = new MemoryPlan();
  const places: Partial<Record<Tower, number>> = {};
  for (const tower of ['image', 'text'] as const) {
    const file = opened[tower];
    if (file) places[tower] = plan.reserve(`${tower} weights`, file.layout.byteLength);
  }
  const image = opened.image && (await imageTower(config));
  const text = opened.text && (await textTower(config));
  const sizes = [image, text].flatMap((tower) => (tower ? [tower.scratch] : []));
  const width = Math.max(...sizes.map(({ width }) => width));
  const keys = Math.max(...sizes.map(({ keys }) => keys));
  const scratchBytes = roundUp(Arithmetic.scratchBytes(width, keys), 64);
  const scratch = { at: plan.reserve('scratch', scratchBytes * threads), bytes: scratchBytes };
  const control = threading ? plan.reserve('threads', threading.ThreadPool.controlBytes(threads)) : 0;
  // The first batch slot is computed by all threads, or is the first of several on a thread each. A probe needs one slot only.
  const batchSlots = image ? (whole ? 1 : threads) : 0;
  const { mean } = preprocess;
  const [createImage, createText] = plan.overlap(
    () =>
      Array.from({ length: batchSlots }, (_, i) =>
        image!.plan(plan, { precision, mean, whole, threads: i === 0 ? threads : 1 }),
      ),
    () => text?.plan(plan, { precision, threads }),
  );
  const weights = opened.image?.layout.at(places.image!);
  const encoders = createImage.map((create) => (engine: Engine) => create(weights!, engine));
  const programs =
    threading && encoders.length > 1
      ? threading.ImagePrograms.plan(plan, precision, encoders, scratch, config.embedDim, threading.splitKernels)
      : undefined;
  return { plan, places, scratch, control, image: createImage[0], programs, text: createText };
}
