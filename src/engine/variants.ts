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
 * The race: rows, columns and depth of a product that stays in L1; each build runs it for a few milliseconds. The engine has
 * not optimised either by then, but the one with fewer instructions is ahead in its first code as well.
 */
const RACE = { m: 8, n: 64, k: 256, rounds: 8 };
/** The relaxed build must be this much faster to be taken: where it has its instruction it wins by half. */
const MARGIN = 0.85;

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
  const { m, n, k, rounds } = RACE;
  const runners = await Promise.all(
    (['simd', 'relaxed'] as const).map(async (variant) => {
      const plan = new MemoryPlan();
      const a = plan.reserve('a', m * k * 2);
      const b = plan.reserve('b', n * k);
      const scale = plan.reserve('scale', n * 4);
      const c = plan.reserve('c', m * n * 4);
      const scratch = plan.reserve('scratch', GEMM_SCRATCH_BYTES);
      const kernels = instantiateKernels(await compiledKernels(variant), plan.allocate());
      const run = () =>
        kernels.gemmInt8(a, 0, 0, b, scale, scale, 0, m, n, k, c, n * 4, m, 0, n, 0, Mode.none, scratch, 0);
      return { run, best: Number.POSITIVE_INFINITY };
    }),
  );
  for (let round = 0; round < rounds; round++) {
    for (const runner of runners) {
      const start = performance.now();
      for (let i = 0; i < 4; i++) runner.run();
      runner.best = Math.min(runner.best, performance.now() - start);
    }
  }
  const [simd, relaxed] = runners;
  // Where the clock stands still during a computation (edge runtimes), both took no time and simd it is.
  return relaxed!.best < MARGIN * simd!.best ? 'relaxed' : 'simd';
}
