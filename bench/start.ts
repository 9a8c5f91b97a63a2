/** Fresh processes of the built package: how long the first picture takes, and how much memory a tower needs. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { vitB32 } from './models.ts';
import { ms, type Report } from './report.ts';
import { installedRuntimes, type Runtime, thisRuntime } from './runtimes.ts';
import { median } from './timing.ts';

const ROUNDS = 11;
const PICTURE = fileURLToPath(new URL('../test/golden/preprocess/inputs/jpeg_q75_500x375.jpg', import.meta.url));

function child<T>({ command, args }: Runtime, script: string, ...rest: string[]): T {
  if (!existsSync(new URL('../dist/index.js', import.meta.url))) throw new Error('npm run build comes first');
  const file = fileURLToPath(new URL(`children/${script}`, import.meta.url));
  return JSON.parse(execFileSync(command, [...args, file, ...rest], { encoding: 'utf8' }));
}

interface Start {
  boot: number;
  import: number;
  load: number;
  first: number;
  all: number;
}

export async function benchStart(report: Report): Promise<void> {
  const runtimes = installedRuntimes();
  const starts = runtimes.map((): Start[] => []);
  // The first round reads the files into the system's cache and is left out.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, runtime] of runtimes.entries()) {
      const start = child<Start>(runtime, 'start.js', PICTURE);
      if (round > 0) starts[i]!.push(start);
    }
  }
  report.section('Embedded model, fresh process to the first embedding of a JPEG of 500 x 375, ms', ['', 'import', 'load', 'first', 'all, median', 'all, least']); // biome-ignore format: heads
  for (const [i, { name }] of runtimes.entries()) {
    const middle = (part: keyof Start) => median(starts[i]!.map((start) => start[part]));
    const leastMs = Math.min(...starts[i]!.map(({ all }) => all));
    const [importMs, loadMs, firstMs, medianMs] = (['import', 'load', 'first', 'all'] as const).map(middle);
    const values = { importMs: importMs!, loadMs: loadMs!, firstMs: firstMs!, medianMs: medianMs!, leastMs };
    report.row(name, values, [name, ms(importMs!), ms(loadMs!), ms(firstMs!), ms(medianMs!), ms(leastMs)]);
  }
}

interface Memory {
  total: number;
  use: Record<string, number>;
  peak: number;
}

export async function benchMemory(report: Report): Promise<void> {
  const folder = await vitB32('int8');
  const bare: number[] = [];
  const imported: number[] = [];
  const peaks: number[] = [];
  let plan: Memory | undefined;
  for (let round = 0; round < 5; round++) {
    bare.push(child<Memory>(thisRuntime, 'memory.js').peak);
    imported.push(child<Memory>(thisRuntime, 'memory.js', 'import').peak);
    plan = child<Memory>(thisRuntime, 'memory.js', folder);
    peaks.push(plan.peak);
  }
  const weights = plan!.use['image weights']!;
  const peak = median(peaks) - median(bare);
  const rows: [string, number][] = [
    ['weights', weights],
    ['wasm memory beyond the weights', plan!.total - weights],
    ['peak beyond a bare process: only importing', median(imported) - median(bare)],
    ['peak beyond a bare process: embedding', peak],
    ['the same beyond the weights', peak - weights],
  ];
  report.section('ViT-B/32 image tower, packed int8', ['', 'MB']);
  for (const [name, bytes] of rows) report.row(name, { bytes }, [name, (bytes / 1e6).toFixed(2)]);
}
