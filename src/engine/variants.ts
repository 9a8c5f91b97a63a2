/** Which build of the kernels to run: a short measurement, whose outcome changes the speed and never the result. */

import { clockRuns, distrustRelaxed } from '#platform';
import { ClipError } from '../errors.ts';
import { isGiven } from '../platform/modules.ts';
import { Mode } from './calls.ts';
import { compiledKernels, requireWebAssembly } from './compiled.ts';
import { GEMM_SCRATCH_BYTES } from './contract.ts';
import { instantiateKernels, type KernelVariant } from './kernels.ts';
import { MemoryPlan } from './memory.ts';

/** A module whose only function does one i32x4.relaxed_dot_i8x16_i7x16_add_s. */
const RELAXED_DOT = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0,
  10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 147, 2, 11,
); // biome-ignore format: header, then code

/**
 * What is timed: a product that stays in L1, some 25 us of each build. The build with fewer instructions is ahead in an
 * engine's unoptimized code as well. But the builds must not be compared in different tiers, so rounds go on until neither
 * has become faster for some of them; most often that is long before an engine optimizes anything.
 */
const TIMING = { m: 5, n: 128, k: 256, calm: 3, mostRounds: 60 };
/** A time this much below the best so far comes from newly optimized code. */
const NEW_CODE = 0.75;
/**
 * The relaxed build must be this much faster to be chosen: where it has its instruction it wins by half, and in interpreters,
 * which count instructions, it is ahead by a fifth.
 */
const MARGIN = 0.75;

let timed: Promise<KernelVariant> | undefined;

/** Why the relaxed build cannot run here; undefined if it can. */
function noRelaxed(): string | undefined {
  if (!WebAssembly.validate(RELAXED_DOT)) return 'this runtime has no relaxed SIMD';
  return distrustRelaxed();
}

/**
 * The build that was asked for, or the faster one of those that run here, measured once for each process.
 * @throws ClipError UNSUPPORTED without WebAssembly, and if `relaxed` was asked for and cannot run; RangeError for another word
 */
export async function chooseVariant(wanted?: KernelVariant): Promise<KernelVariant> {
  if (wanted !== undefined && wanted !== 'simd' && wanted !== 'relaxed') {
    throw new RangeError(`kernels must be "simd" or "relaxed", got ${JSON.stringify(wanted)}`);
  }
  requireWebAssembly();
  if (wanted === 'simd') return wanted;
  const reason = noRelaxed();
  if (wanted === 'relaxed') {
    if (reason !== undefined) throw new ClipError('UNSUPPORTED', `the relaxed kernels cannot run: ${reason}`);
    return wanted;
  }
  if (reason !== undefined) return 'simd';
  if (!clockRuns()) return isGiven('relaxed') && !isGiven('simd') ? 'relaxed' : 'simd';
  timed ??= timeBuilds().catch(() => {
    timed = undefined; // the next load measures again
    return 'simd'; // which needs nothing but one memory, and says itself what is missing
  });
  return timed;
}

async function timeBuilds(): Promise<KernelVariant> {
  const { m, n, k } = TIMING;
  const [simd, relaxed] = await Promise.all(
    (['simd', 'relaxed'] as const).map(async (variant) => {
      const plan = new MemoryPlan();
      const a = plan.reserve('a', m * k * 2);
      const b = plan.reserve('b', n * k);
      const scale = plan.reserve('scale', n * 4);
      const c = plan.reserve('c', m * n * 4);
      const scratch = plan.reserve('scratch', GEMM_SCRATCH_BYTES);
      const kernels = instantiateKernels(await compiledKernels(variant), plan.allocate());
      const operands = { a, aScale: 0, aHalves: 0, b, bScale: scale, bSum: scale, bias: 0, m, n, k };
      const result = { c, ldc: n * 4, width: m, gap: 0, slab: n, slabStride: 0, mode: Mode.none, scratch, maxima: 0 };
      return () => kernels.gemmInt8({ ...operands, ...result });
    }),
  );
  // The winner must win again: a disturbance at the wrong moment would cost half of the speed for good.
  return faster(relaxed!, simd!) && faster(relaxed!, simd!) ? 'relaxed' : 'simd';
}

/** Whether `a` takes less than MARGIN of the time of b. */
export function faster(a: () => void, b: () => void): boolean {
  const runners = [a, b].map((run) => ({ run, best: Number.POSITIVE_INFINITY }));
  let unchanged = 0;
  for (let round = 0; round < TIMING.mostRounds && unchanged < TIMING.calm; round++) {
    unchanged++;
    for (const runner of runners) {
      const start = performance.now();
      runner.run();
      const time = performance.now() - start;
      if (time < NEW_CODE * runner.best) unchanged = 0;
      runner.best = Math.min(runner.best, time);
    }
  }
  return runners[0]!.best < MARGIN * runners[1]!.best;
}
