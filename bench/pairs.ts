/** Two threads against two separate one-thread processes at once: which share of what the cores reach together is used. */
import type { Precision } from '../src/engine/arithmetic.ts';
import { median } from './median.js';
import { vitB32 } from './models.ts';
import { percent, type Report } from './report.ts';
import { thisRuntime } from './runtimes.ts';
import { rate, TowerProcess } from './tower-process.ts';

const ROUNDS = 11;
/** Pictures a call, for batches. */
const BATCH = 4;
const SLICE_MS = { 'ViT-B/32 int8': 700, 'ViT-B/32 f32': 1500, 'embedded int8': 300, 'embedded f32': 300 };

export async function benchPairs(report: Report): Promise<void> {
  report.section('Image towers, pictures a second, medians of rounds', ['', '1 thread', '2 threads', `${BATCH} a call`, '2 processes', 'both can', 'share', 'best', `share, ${BATCH} a call`, 'best']); // biome-ignore format: heads
  for (const model of ['ViT-B/32', 'embedded'] as const) {
    for (const precision of ['int8', 'f32'] as const) await pair(report, model, precision);
  }
}

async function pair(report: Report, model: 'ViT-B/32' | 'embedded', precision: Precision): Promise<void> {
  const name = `${model} ${precision}` as const;
  const folder = model === 'embedded' ? model : await vitB32(precision);
  const open = (threads: number) => new TowerProcess(thisRuntime, folder, precision, threads);
  const processes = [open(2), open(1), open(1)] as const;
  const [threaded, first, second] = processes;
  const ready = await Promise.all(processes.map((process) => process.ready()));
  if (ready[0]!.threads !== 2) throw new Error('two threads were asked for, one computes');
  const slice = SLICE_MS[name];
  const rates = { one: [] as number[], threads: [] as number[], batches: [] as number[], processes: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.one.push(rate(await first.run(slice)));
    rates.threads.push(rate(await threaded.run(slice)));
    rates.batches.push(rate(await threaded.run(slice, BATCH)));
    const together = await Promise.all([first.run(slice), second.run(slice)]);
    rates.processes.push(rate(together[0]) + rate(together[1]));
  }
  await Promise.all(processes.map((process) => process.quit()));
  const [one, two, batches, both] = [rates.one, rates.threads, rates.batches, rates.processes].map(median) as [number, number, number, number]; // biome-ignore format: four numbers
  // The slices of a round are adjacent in time: their ratio depends less on a busy machine than a ratio of medians.
  const share = (values: number[]) => median(values.map((value, round) => value / rates.processes[round]!));
  const best = (values: number[]) => Math.max(...values) / Math.max(...rates.processes);
  const values = {
    one,
    threads: two,
    batches,
    processes: both,
    possible: both / one,
    share: share(rates.threads),
    bestShare: best(rates.threads),
    batchShare: share(rates.batches),
    bestBatchShare: best(rates.batches),
  };
  const cells = [one, two, batches, both].map((value) => value.toFixed(2));
  const shares = [values.share, values.bestShare, values.batchShare, values.bestBatchShare].map(percent);
  report.row(name, values, [name, ...cells, (both / one).toFixed(2), ...shares]);
}
