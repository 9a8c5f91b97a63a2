/** Small pictures that differ, as files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { seeded } from '../../src/eval/seeded.ts';
import { chunk, header, pngOf } from '../image/png-file.ts';

/** PNGs of noise between 24 and 56 pixels a side, in ten folders; every hundredth is cut short. */
export function* smallPictures(count: number): Generator<{ readonly name: string; readonly bytes: Uint8Array }> {
  const random = seeded(20);
  for (let i = 0; i < count; i++) {
    const [width, height] = [24 + Math.floor(32 * random()), 24 + Math.floor(32 * random())];
    const rows = Uint8Array.from({ length: height * (1 + 3 * width) }, (_, at) =>
      at % (1 + 3 * width) === 0 ? 0 : 256 * random(),
    );
    const whole = pngOf(header(width, height), chunk('IDAT', deflateSync(rows)));
    const bytes = i % 100 === 99 ? whole.subarray(0, whole.length / 2) : whole;
    yield { name: `${i % 10}/${String(i).padStart(6, '0')}.png`, bytes };
  }
}

/** The same in a folder. */
export function writePictures(folder: string, count: number): void {
  for (const { name, bytes } of smallPictures(count)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}
