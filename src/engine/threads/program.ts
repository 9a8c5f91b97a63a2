/** Programs: kernel calls written down as steps (worker-source.ts), to be run by one thread or by all that are free. */
import type { Kernels } from '../kernels.ts';
import type { ThreadedKernel } from './pool.ts';
import type { PartRunner } from './split.ts';
import { END, STEP_WORDS, THREADED_KERNELS } from './worker-source.ts';

export type Program = readonly number[];

/** Writes a step at words[at]; returns the word behind it. */
export function writeStep(
  words: Float64Array | number[],
  at: number,
  kernel: number,
  parts: readonly (readonly number[])[],
): number {
  words[at] = kernel;
  words[at + 1] = parts.length;
  words[at + 2] = parts[0]!.length;
  let next = at + STEP_WORDS;
  for (const part of parts) for (const argument of part) words[next++] = argument;
  return next;
}

/** A kernel's number in a step. */
export const kernelNumber = (kernel: ThreadedKernel) => THREADED_KERNELS.findIndex(({ name }) => name === kernel);

/** The word behind the step that begins at words[step]. */
export const behind = (words: Float64Array, step: number) => step + STEP_WORDS + words[step + 1]! * words[step + 2]!;

/**
 * The calls that `work` makes, none of which is run, and what it returns: kernels have no results, so what is called never
 * depends on them. Calls of `own` are steps of one part, what is given to `run` may have several.
 */
export function recordProgram<T>(work: (recorder: Omit<PartRunner, 'threads'>) => T): { program: Program; result: T } {
  const words: number[] = [];
  const run: PartRunner['run'] = (kernel, parts) => void writeStep(words, words.length, kernelNumber(kernel), parts);
  const recorders = THREADED_KERNELS.map(({ name }) => [name, (...args: number[]) => run(name, [args])]);
  const own = Object.fromEntries(recorders) as Kernels;
  const result = work({ own, run });
  return { program: [...words, END], result };
}

/** Runs part `part` of the step that begins at words[step]. */
export function runPart(kernels: Kernels, words: Float64Array, step: number, part: number): void {
  const { name } = THREADED_KERNELS[words[step]!]!;
  const from = step + STEP_WORDS + part * words[step + 2]!;
  (kernels[name] as (...args: number[]) => void)(...words.subarray(from, from + words[step + 2]!));
}

/** Runs a program of steps of one part, whose first word is words[at], on the caller's thread. */
export function runProgram(kernels: Kernels, words: Float64Array, at: number): void {
  for (let step = at; words[step] !== END; step = behind(words, step)) runPart(kernels, words, step, 0);
}
