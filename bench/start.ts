/** Fresh processes of the built package: how long the first picture takes, and how much memory a tower needs. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { largePhoto } from './large-photo.js';
import { median } from './median.js';
import { vitB32 } from './models.ts';
import { ms, type Report } from './report.ts';
import { installedRuntimes } from './runtimes.ts';
import type { Runtime } from './tower-process.ts';

const ROUNDS = 11;
const PICTURE = fileURLToPath(new URL('../test/golden/preprocess/inputs/jpeg_q75_500x375.jpg', import.meta.url));

function scriptFile(script: string): string {
  if (!existsSync(new URL('../dist/index.js', import.meta.url))) throw new Error('run npm run build first');
  return fileURLToPath(new URL(`children/${script}`, import.meta.url));
}

function child<T>({ command, args }: Runtime, script: string, ...rest: string[]): T {
  return JSON.parse(execFileSync(command, [...args, scriptFile(script), ...rest], { encoding: 'utf8' }));
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
  // The first round fills the file cache and is not counted.
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
  /** Peak of its private memory, without the shared pages of the runtime's program; 0 where the system does not tell. */
  own: number;
}

/** Runs children/memory.js and samples its private memory every millisecond, as Linux keeps only the peak of all memory. */
async function memoryOf(...words: string[]): Promise<Memory> {
  const running = promisify(execFile)(process.execPath, [scriptFile('memory.js'), ...words], { encoding: 'utf8' });
  const status = `/proc/${running.child.pid}/status`;
  let own = 0;
  const watch = async () => {
    while (running.child.exitCode === null && existsSync(status)) {
      const kilobytes = /RssAnon:\s*(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0;
      own = Math.max(own, Number(kilobytes) * 1024);
      await sleep(1);
    }
  };
  const [{ stdout }] = await Promise.all([running, watch()]);
  return { ...JSON.parse(stdout), own };
}

/** How a file is given (children/photo.js), and what the table calls it. */
const PHOTO_SOURCES = {
  url: 'new URL(..)',
  handle: 'FileHandle',
  reused: '2 buffers',
  blob: 'openAsBlob',
  createReadStream: 'ReadStream',
};

/** What 12 megapixels take beyond the loaded embedded model, by what the file comes from. */
async function benchPhotoMemory(report: Report): Promise<void> {
  if (!existsSync('/proc/self/clear_refs')) return;
  const path = await largePhoto();
  const golden = (name: string) => fileURLToPath(new URL(`../test/golden/${name}`, import.meta.url));
  const kinds = [
    ['JPEG', 'baseline.jpg', PICTURE],
    ['progressive JPEG', 'progressive.jpg', PICTURE],
    ['PNG', 'photo.png', golden('photos/coffee.png')],
  ] as const;
  report.section('12 megapixels as they come: peak of the process beyond the loaded model, MB', ['', ...Object.values(PHOTO_SOURCES)]); // biome-ignore format: heads
  const node = { name: '', command: process.execPath, args: ['--no-warnings'] };
  for (const [name, file, small] of kinds) {
    const values: Record<string, number> = {};
    for (const source of Object.keys(PHOTO_SOURCES)) {
      const peaks = Array.from({ length: 5 }, () => {
        const { before, peak } = child<{ before: number; peak: number }>(node, 'photo.js', path(file), small, source);
        return peak - before;
      });
      values[source] = median(peaks);
    }
    report.row(name, values, [name, ...Object.values(values).map((bytes) => (bytes / 1e6).toFixed(1))]);
  }
}

export async function benchMemory(report: Report): Promise<void> {
  await benchPhotoMemory(report);
  const folder = await vitB32('int8');
  const bare: Memory[] = [];
  const imported: Memory[] = [];
  const loaded: Memory[] = [];
  for (let round = 0; round < 5; round++) {
    bare.push(await memoryOf());
    imported.push(await memoryOf('import'));
    loaded.push(await memoryOf(folder));
  }
  const beyond = (some: Memory[], part: 'peak' | 'own') =>
    median(some.map((memory) => memory[part])) - median(bare.map((memory) => memory[part]));
  const { total, use } = loaded[0]!;
  const weights = use['image weights']!;
  const rows: [string, number][] = [
    ['weights', weights],
    ['wasm memory beyond the weights', total - weights],
    ['peak beyond a bare process: only importing', beyond(imported, 'peak')],
    ['peak beyond a bare process: embedding', beyond(loaded, 'peak')],
    ['the same beyond the weights', beyond(loaded, 'peak') - weights],
  ];
  if (loaded[0]!.own > 0) {
    rows.push(["of it the process' own, without pages of the runtime's program", beyond(loaded, 'own') - weights]);
  }
  report.section('ViT-B/32 image tower, packed int8', ['', 'MB']);
  for (const [name, bytes] of rows) report.row(name, { bytes }, [name, (bytes / 1e6).toFixed(2)]);
}
