/** Times by tinybench, in rounds: on a shared machine, only tasks that alternate can be compared. */
import { Bench } from 'tinybench';
import { median } from './median.js';

export interface Timing {
  /** Of all runs of all rounds, in milliseconds. */
  readonly medianMs: number;
  readonly leastMs: number;
  /** The smallest of the rounds' medians: the least disturbed round. */
  readonly bestMs: number;
  /** The rounds' medians, in order. */
  readonly roundMs: readonly number[];
  readonly runs: number;
}

export interface Rounds {
  readonly rounds?: number;
  /** Milliseconds per task and round, at least. */
  readonly time?: number;
  /** Runs per task and round, at least. */
  readonly iterations?: number;
}

/** Runs every task for `time` a round, `rounds` times. */
export async function inTurns<Name extends string>(
  tasks: { readonly [N in Name]?: () => unknown },
  { rounds = 5, time = 30, iterations = 3 }: Rounds = {},
): Promise<Record<Name, Timing>> {
  const names = Object.keys(tasks) as Name[];
  const samples = new Map<Name, number[][]>(names.map((name) => [name, []]));
  // Unless told whether a task is asynchronous, tinybench calls it once per round without awaiting it, and the first counted
  // run then queues behind the calls of all other tasks.
  const isAsync = new Map<Name, boolean>();
  for (const name of names) {
    const result = tasks[name]!();
    isAsync.set(name, result instanceof Promise);
    await result;
  }
  for (let round = 0; round < rounds; round++) {
    const warm = { warmup: round === 0, warmupTime: Math.min(time, 50), warmupIterations: Math.min(2, iterations) };
    const bench = new Bench({ time, iterations, retainSamples: true, throws: true, ...warm });
    for (const name of names) bench.add(name, tasks[name]!, { async: isAsync.get(name)! });
    await bench.run();
    for (const task of bench.tasks) {
      if (task.result.state !== 'completed') throw new Error(`${task.name}: ${task.result.state}`);
      samples.get(task.name as Name)!.push([...task.result.latency.samples!]);
    }
  }
  return Object.fromEntries(names.map((name) => [name, timing(samples.get(name)!)])) as Record<Name, Timing>;
}

/** Summarizes samples in milliseconds, one list per round. */
export function timing(rounds: readonly (readonly number[])[]): Timing {
  const all = rounds.flat();
  const roundMs = rounds.map(median);
  return {
    medianMs: median(all),
    leastMs: all.reduce((a, b) => Math.min(a, b)),
    bestMs: Math.min(...roundMs),
    roundMs,
    runs: all.length,
  };
}

/** The work done in a timing. */
export interface Work {
  readonly macs: number;
  readonly timing: Timing;
}

/**
 * Throughput of `work` as a share of `most`: of the best rounds of both, as a round in which somebody else had the processor
 * says nothing about either; and the median over rounds, each against its own moment.
 */
export function shareOf(work: Work, most: Work): { best: number; middle: number } {
  const [a, b] = [work.timing, most.timing];
  const share = (ms: number, mostMs: number) => gmacs(work.macs, ms) / gmacs(most.macs, mostMs);
  return { best: share(a.bestMs, b.bestMs), middle: median(a.roundMs.map((ms, i) => share(ms, b.roundMs[i]!))) };
}

/** Billions of multiply-adds a second. */
export const gmacs = (macs: number, ms: number) => macs / ms / 1e6;
