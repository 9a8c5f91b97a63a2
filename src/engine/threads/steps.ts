/**
 * Steps: kernel calls written down as words (f64) in the shared memory, for threads that have nothing else in common.
 *
 *   word 0   the kernel's number in `THREADED_KERNELS`, or PROGRAM
 *   word 1   number of parts: any thread takes the next part that nobody has taken
 *   word 2   arguments in a part
 *   then     the arguments, part after part, in the order of the wasm function
 *   then     the next step, or END
 */
import { type Call, FIELDS, type KernelExports, type KernelName, namedKernels, type Positional } from '../calls.ts';

/** Kernels that may be a step. */
export const THREADED_KERNELS = [
  'gemmInt8',
  'gemmF32',
  'joinMaxima',
  'quantizeRows',
  'strassenRows',
  'packRows',
  'layerNorm',
  'layerNormQuantize',
  'layerNormPack',
  'attention',
  'subtractZeroPoints',
  'gatherInt8',
  'gatherF32',
  'windowsInt8',
  'windowsF32',
  'depthwiseInt8',
  'depthwiseF32',
  'meanRows',
  'averagePool',
  'addFloats',
  'copyBytes',
  'zeroBytes',
  'zeroBorder',
  'listAll',
] as const satisfies readonly KernelName[];

export type ThreadedKernel = (typeof THREADED_KERNELS)[number];

/** Instead of a kernel's number: the one argument of a part is the first word of steps that one thread runs alone. */
export const PROGRAM = -1;
/** The word behind the last step. */
export const END = -2;
/** Words of a step before its arguments. */
export const STEP_WORDS = 3;
/** The most arguments of a part. */
export const MOST_ARGUMENTS = Math.max(...THREADED_KERNELS.map((name) => FIELDS[name].length));

/** Arguments of a call in the order of the wasm function. */
const ordered = namedKernels(
  Object.fromEntries(Object.keys(FIELDS).map((name) => [name, (...args: number[]) => args])) as unknown as Positional<
    number[]
  >,
);

/** A kernel's number in a step. */
const kernelNumber = (kernel: ThreadedKernel) => THREADED_KERNELS.indexOf(kernel);

/** Writes the calls of one kernel as a step at words[at]; returns the word behind it. */
export function writeStep<K extends ThreadedKernel>(
  words: Float64Array | number[],
  at: number,
  kernel: K,
  parts: readonly Call<K>[],
): number {
  const inOrder: (call: Call<K>) => number[] = ordered[kernel];
  return writeWords(words, at, kernelNumber(kernel), parts.map(inOrder));
}

/** Writes a step at words[at] whose parts are programs, given the first word of each; returns the word behind it. */
export function writePrograms(words: Float64Array | number[], at: number, programs: readonly number[]): number {
  return writeWords(
    words,
    at,
    PROGRAM,
    programs.map((first) => [first]),
  );
}

function writeWords(words: Float64Array | number[], at: number, kind: number, parts: readonly number[][]): number {
  words[at] = kind;
  words[at + 1] = parts.length;
  words[at + 2] = parts[0]!.length;
  let next = at + STEP_WORDS;
  for (const part of parts) for (const argument of part) words[next++] = argument;
  return next;
}

/** The word behind the step that begins at words[step]. */
export const behind = (words: Float64Array, step: number) => step + STEP_WORDS + words[step + 1]! * words[step + 2]!;

/** Runs part `part` of the kernel step that begins at words[step]. */
export function runPart(kernels: KernelExports, words: Float64Array, step: number, part: number): void {
  const from = step + STEP_WORDS + part * words[step + 2]!;
  kernels[THREADED_KERNELS[words[step]!]!](...words.subarray(from, from + words[step + 2]!));
}
