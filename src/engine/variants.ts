/** Which build of the kernels to run: a short race, whose outcome changes the speed and never the result. */

import { distrustRelaxed } from '#platform';
import { ClipError } from '../errors.ts';
import { compiledKernels } from './compiled.ts';
import { GEMM_SCRATCH_BYTES, instantiateKernels, type KernelVariant, Mode } from './kernels.ts';
import { MemoryPlan } from './memory.ts';

/** A module whose only function does one i32x4.relaxed_dot_i8x16_i7x16_add_s. */
const RELAXED_DOT = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0,
  10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 147, 2, 11,
); // biome-ignore format: header, then code

/**
 * The race: rows, columns and depth of a product that stays in L1, some 25 us of each build. The build with fewer instructions
 * is ahead in an engine's first code as well. But the builds must not be compared in different states, so the race goes on
 * until neither has become faster for some rounds; most often it is over long before an engine optimises anything.
 */
const RACE = { m: 5, n: 128, k: 256, calm: 3, mostRounds: 60 };
/** A time this much below the best so far is new code. */
const NEW_CODE = 0.75;
/**
 * The relaxed build must be this much faster to be taken: where it has its instruction it wins by half, and in interpreters,
 * which count instructions, it is ahead by a fifth.
 */
const MARGIN = 0.75;

let raced: Promise<KernelVariant> | undefined;

/** Why the relaxed build cannot run here; undefined if it can. */
function noRelaxed(): string | undefined {
  if (!WebAssembly.validate(RELAXED_DOT)) return 'this runtime has no relaxed SIMD';
  return distrustRelaxed();
}

/**
 * The build that was asked for, or the faster one of those that run here, found out once a process.
 * @throws ClipError UNSUPPORTED if `relaxed` was asked for and cannot run; RangeError for another word
 */
export async function chooseVariant(wanted?: KernelVariant): Promise<KernelVariant> {
  if (wanted !== undefined && wanted !== 'simd' && wanted !== 'relaxed') {
    throw new RangeError(`kernels must be "simd" or "relaxed", got ${JSON.stringify(wanted)}`);
  }
  if (wanted === 'simd') return wanted;
  const reason = noRelaxed();
  if (wanted === 'relaxed') {
    if (reason !== undefined) throw new ClipError('UNSUPPORTED', `the relaxed kernels cannot run: ${reason}`);
    return wanted;
  }
  if (reason !== undefined) return 'simd';
  if (!raced) {
    raced = race();
    raced.catch(() => {
      raced = undefined; // the next load tries again
    });
  }
  return raced;
}

async function race(): Promise<KernelVariant> {
  const { m, n, k } = RACE;
  const [simd, relaxed] = await Promise.all(
    (['simd', 'relaxed'] as const).map(async (variant) => {
      const plan = new MemoryPlan();
      const a = plan.reserve('a', m * k * 2);
      const b = plan.reserve('b', n * k);
      const scale = plan.reserve('scale', n * 4);
      const c = plan.reserve('c', m * n * 4);
      const scratch = plan.reserve('scratch', GEMM_SCRATCH_BYTES);
      const kernels = instantiateKernels(await compiledKernels(variant), plan.allocate());
      return () => kernels.gemmInt8(a, 0, 0, b, scale, scale, 0, m, n, k, c, n * 4, m, 0, n, 0, Mode.none, scratch, 0);
    }),
  );
  // Who wins must win again: a disturbance at the wrong moment would cost half of the speed for good.
  return faster(relaxed!, simd!) && faster(relaxed!, simd!) ? 'relaxed' : 'simd';
}

/** Whether `a` takes less than MARGIN of the time of b. Where the clock stands still (edge runtimes), both take none. */
export function faster(a: () => void, b: () => void): boolean {
  const runners = [a, b].map((run) => ({ run, best: Number.POSITIVE_INFINITY }));
  let unchanged = 0;
  for (let round = 0; round < RACE.mostRounds && unchanged < RACE.calm; round++) {
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
