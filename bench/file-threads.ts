/** Files to embeddings on two threads, against one thread, and against two processes side by side: what the machine can at most. */
import { fileURLToPath } from 'node:url';
import { largePhoto } from './large-photo.js';
import { median } from './median.js';
import type { Report } from './report.ts';
import { thisRuntime } from './runtimes.ts';
import { type Runs, rate, TowerProcess } from './tower-process.ts';

const ROUNDS = 7;
const SMALL = fileURLToPath(new URL('../test/golden/preprocess/inputs/jpeg_q75_500x375.jpg', import.meta.url));

export async function benchFileThreads(report: Report): Promise<void> {
  report.section('JPEGs from their bytes, embedded model int8: files a second, medians of rounds; processor ms a file', ['', '1 thread', '2 threads', '2 / 1', 'best', '2 processes', 'both can', 'ms, 1 thread', '2 threads']); // biome-ignore format: heads
  await compare(report, '24 of 4000 x 3000', (await largePhoto())('baseline.jpg'), 24);
  await compare(report, '96 of 500 x 375', SMALL, 96);
}

async function compare(report: Report, name: string, file: string, files: number): Promise<void> {
  const open = (threads: number) => new TowerProcess(thisRuntime, 'embedded', 'int8', threads, file);
  const processes = [open(2), open(1), open(1)] as const;
  const [threaded, first, second] = processes;
  const ready = await Promise.all(processes.map((process) => process.ready()));
  if (ready[0]!.threads !== 2) throw new Error('two threads were asked for, one computes');
  const one: Runs[] = [];
  const two: Runs[] = [];
  const both: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    one.push(await first.run(1, files));
    two.push(await threaded.run(1, files));
    const beside = await Promise.all([first.run(1, files), second.run(1, files)]);
    both.push(rate(beside[0]) + rate(beside[1]));
  }
  await Promise.all(processes.map((process) => process.quit()));
  const rates = [one.map(rate), two.map(rate), both] as const;
  const [single, threads, pair] = rates.map(median) as [number, number, number];
  // The runs of a round are adjacent in time: their ratio depends less on a busy machine than a ratio of medians.
  const beyond = (values: readonly number[]) => median(values.map((value, round) => value / rates[0][round]!));
  const best = Math.max(...rates[1]) / Math.max(...rates[0]);
  const cpu = (runs: readonly Runs[]) => median(runs.map(({ cpuMs, pictures }) => cpuMs / pictures));
  const values = { single, threads, ratio: beyond(rates[1]), best, processes: pair, possible: beyond(both), cpuOneMs: cpu(one), cpuTwoMs: cpu(two) }; // biome-ignore format: one line
  report.row(name, values, [name, ...Object.values(values).map((value) => value.toFixed(2))]);
}
