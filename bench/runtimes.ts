/** The int8 tower in every runtime that test/runtimes has installed, alternating. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { vitB32 } from './models.ts';
import { ms, type Report } from './report.ts';
import { timing } from './timing.ts';
import { type Runtime, TowerProcess } from './tower-process.ts';

/** The Node that runs the bench. */
export const thisRuntime: Runtime = { name: `Node ${process.versions.node}`, command: process.execPath, args: [] };

/** This one, and those of test/runtimes (`npm ci --prefix test/runtimes`). */
export function installedRuntimes(): Runtime[] {
  const inside = (path: string) => fileURLToPath(new URL(`../test/runtimes/node_modules/${path}`, import.meta.url));
  const others: Runtime[] = [
    { name: 'Node 24', command: inside('node-24/bin/node'), args: [] },
    { name: 'Deno', command: inside('@deno/linux-x64-glibc/deno'), args: ['run', '--allow-all'] },
    { name: 'Bun', command: inside('@oven/bun-linux-x64/bin/bun'), args: [] },
  ];
  return [thisRuntime, ...others.filter(({ command }) => existsSync(command))];
}

const ROUNDS = 9;

export async function benchRuntimes(report: Report): Promise<void> {
  const folder = await vitB32('int8');
  const entrants: { name: string; kernels: string; process: TowerProcess; samples: number[][] }[] = [];
  for (const runtime of installedRuntimes()) {
    const process = new TowerProcess(runtime, folder, 'int8', 1);
    const { kernels } = await process.ready();
    entrants.push({ name: runtime.name, kernels, process, samples: [] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { process, samples } of entrants) samples.push((await process.run(600)).ms);
  }
  report.section('ViT-B/32 image tower int8, one thread', ['', 'median ms', 'best ms', 'least ms', 'to Node 24']);
  const times = entrants.map(({ samples }) => timing(samples));
  const base = times[entrants.findIndex(({ name }) => name.startsWith('Node 24'))];
  for (const [i, { name, kernels, process }] of entrants.entries()) {
    const { medianMs, bestMs, leastMs } = times[i]!;
    const ratio = base ? bestMs / base.bestMs : Number.NaN;
    const cells = [ms(medianMs), ms(bestMs), ms(leastMs), base ? ratio.toFixed(2) : ''];
    report.row(name, { kernels, medianMs, bestMs, leastMs, ratio }, [`${name} (${kernels})`, ...cells]);
    await process.quit();
  }
}
