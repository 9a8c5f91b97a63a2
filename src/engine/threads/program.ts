/** Programs: the steps of a whole picture, to be run by one thread or by all that are free. */
import type { Call, Kernels } from '../calls.ts';
import type { PartRunner } from './split.ts';
import { END, THREADED_KERNELS, type ThreadedKernel, writeStep } from './steps.ts';

export type Program = readonly number[];

/**
 * Records the calls that `work` makes instead of running them; returns them with what `work` returns. Kernels have no results,
 * so the calls never depend on them. Calls of `own` become steps of one part, those given to `run` may have several.
 */
export function recordProgram<T>(work: (recorder: Omit<PartRunner, 'threads'>) => T): { program: Program; result: T } {
  const words: number[] = [];
  const run = <K extends ThreadedKernel>(kernel: K, parts: readonly Call<K>[]) =>
    void writeStep(words, words.length, kernel, parts);
  const own = Object.fromEntries(
    THREADED_KERNELS.map((name) => [name, (call: Call<typeof name>) => run(name, [call])]),
  ) as unknown as Kernels;
  const result = work({ own, run });
  return { program: [...words, END], result };
}
