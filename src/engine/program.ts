/**
 * A program: kernel calls written down, to be run by whatever thread is free. Words, f64: a kernel's number in
 * `THREADED_KERNELS`, how many arguments it takes and these, call after call, then END.
 */
import type { Kernels } from './kernels.ts';
import { END, THREADED_KERNELS } from './worker-source.ts';

export type Program = readonly number[];

/**
 * The calls that `work` makes, none of which is run, and what it returns: kernels have no results, so what is called never
 * depends on them.
 */
export function recordProgram<T>(work: (kernels: Kernels) => T): { program: Program; result: T } {
  const words: number[] = [];
  const recorders = THREADED_KERNELS.map(({ name }, number) => [
    name,
    (...args: number[]) => void words.push(number, args.length, ...args),
  ]);
  const result = work(Object.fromEntries(recorders));
  return { program: [...words, END], result };
}

/** Runs the program whose first word is words[at]. */
export function runProgram(kernels: Kernels, words: Float64Array, at: number): void {
  for (let next = at; words[next] !== END; ) {
    const { name } = THREADED_KERNELS[words[next]!]!;
    const from = next + 2;
    next = from + words[next + 1]!;
    (kernels[name] as (...args: number[]) => void)(...words.subarray(from, next));
  }
}
