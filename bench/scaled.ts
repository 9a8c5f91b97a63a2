/**
 * What `scaled` changes: the ten photos in 30 seeded variants each (scaled-files.ts), each file with `scaled` against the same file
 * without. The table of docs/numerics.md. No times, so it may run beside other work, in as many processes as there are threads.
 */
import { fork } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { seeded } from '../src/eval/seeded.ts';
import type { Report } from './report.ts';
import { type Difference, DRAWS, PHOTOS, type ScaledFile } from './scaled-files.ts';

const VARIANTS = 30;
const SEED = 18;
/** Files between two lines about the progress. */
const PROGRESS = 30;

export async function benchScaled(report: Report, processes: number): Promise<void> {
  const found = new Map<number, Difference[]>([2, 4, 8, 1].map((scale) => [scale, []]));
  for (const difference of await differences(allFiles(), processes)) found.get(difference.scale)!.push(difference);
  report.section('JPEGs with `scaled` against the same without', ['decoded at', 'files', 'cosine, median', '5 % below', 'least', 'same top-1']); // biome-ignore format: heads
  for (const [scale, files] of found) {
    const cosines = files.map(({ cosine }) => cosine).sort((a, b) => a - b);
    const agree = files.filter(({ same }) => same).length;
    const name = scale === 1 ? 'whole (short edge below 448)' : `1/${scale}`;
    const [middle, low, least] = [0.5, 0.05, 0].map(
      (share) => cosines[Math.floor(share * cosines.length)] ?? Number.NaN,
    );
    const values = { files: files.length, median: middle!, low: low!, least: least!, agree };
    report.row(name, values, [name, `${files.length}`, middle!.toFixed(4), low!.toFixed(4), least!.toFixed(4), `${agree} of ${files.length}`]); // biome-ignore format: cells
  }
}

/** What all files are made of: drawn in one order, so that the seed gives the same files in any number of processes. */
function allFiles(): ScaledFile[] {
  const random = seeded(SEED);
  const names = readdirSync(PHOTOS).filter((file) => /\.(png|jpg)$/.test(file));
  return names.flatMap((photo) =>
    Array.from({ length: VARIANTS }, () => ({ photo, draws: Array.from({ length: DRAWS }, random) })),
  );
}

/** Each process takes the next file as soon as it is free. */
async function differences(files: readonly ScaledFile[], processes: number): Promise<Difference[]> {
  const results: Difference[] = [];
  let next = 0;
  const serve = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(new URL('scaled-process.ts', import.meta.url));
      const send = () => (next < files.length ? child.send(files[next++]!) : child.disconnect());
      child.on('message', (difference) => {
        if (results.push(difference as Difference) % PROGRESS === 0)
          console.error(`${results.length} of ${files.length} files`);
        send();
      });
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`scaled-process.ts ended with ${code}`))));
      send();
    });
  await Promise.all(Array.from({ length: processes }, serve));
  return results;
}
