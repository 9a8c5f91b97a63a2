/** Two threads against two separate one-thread processes at once: how much of what the cores reach together is used. */
import type { Precision } from '../src/engine/arithmetic.ts';
import { vitB32 } from './models.ts';
import { percent, type Report } from './report.ts';
import { thisRuntime } from './runtimes.ts';
import { median } from './timing.ts';
import { rate, TowerProcess } from './tower-process.ts';

const ROUNDS = 11;
const SLICE_MS = { int8: 700, f32: 1500 };

export async function benchPairs(report: Report): Promise<void> {
  report.section('ViT-B/32 image tower, pictures a second, medians of rounds', ['', '1 thread', '2 threads', '2 processes', 'speed-up', 'both can', 'share', 'best share']); // biome-ignore format: heads
  for (const precision of ['int8', 'f32'] as const) await pair(report, precision);
}

async function pair(report: Report, precision: Precision): Promise<void> {
  const folder = await vitB32(precision);
  const open = (threads: number) => new TowerProcess(thisRuntime, folder, precision, threads);
  const processes = [open(2), open(1), open(1)] as const;
  const [threaded, first, second] = processes;
  const ready = await Promise.all(processes.map((process) => process.ready()));
  if (ready[0]!.threads !== 2) throw new Error('two threads were asked for, one computes');
  const slice = SLICE_MS[precision];
  const rates = { one: [] as number[], threads: [] as number[], processes: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.one.push(rate(await first.run(slice)));
    rates.threads.push(rate(await threaded.run(slice)));
    const together = await Promise.all([first.run(slice), second.run(slice)]);
    rates.processes.push(rate(together[0]) + rate(together[1]));
  }
  await Promise.all(processes.map((process) => process.quit()));
  const [one, two, both] = [median(rates.one), median(rates.threads), median(rates.processes)];
  const best = Math.max(...rates.threads) / Math.max(...rates.processes);
  const values = { one, threads: two, processes: both, speedUp: two / one, possible: both / one, share: two / both, bestShare: best }; // biome-ignore format: one row
  const cells = [one, two, both].map((value) => value.toFixed(2));
  report.row(precision, values, [precision, ...cells, (two / one).toFixed(2), (both / one).toFixed(2), percent(two / both), percent(best)]); // biome-ignore format: one row
}
