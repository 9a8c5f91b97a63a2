// An image tower that embeds one picture again and again when told to. `tower.js FOLDER PRECISION THREADS`
// Answers in JSON lines: {"ready":true} once; to each line `run T`, the milliseconds of every run within T milliseconds.
import { createInterface } from 'node:readline';
import { loadClip } from '../../dist/index.js';

const [folder, precision, threads] = process.argv.slice(2);
const clip = await loadClip(folder, { precision, threads: Number(threads), towers: ['image'] });
const data = Uint8Array.from({ length: 224 * 224 * 3 }, (_, i) => (i * 7 + (i >> 3) * 13) & 255);
const picture = { data, width: 224, height: 224 };
for (let i = 0; i < 6; i++) await clip.encodeImage(picture);
const { kernels, threads: got } = clip.info();
console.log(JSON.stringify({ ready: true, kernels, threads: got.count }));

for await (const line of createInterface({ input: process.stdin })) {
  const [word, length] = line.split(' ');
  if (word !== 'run') break;
  const ms = [];
  const start = performance.now();
  let now = start;
  do {
    const before = now;
    await clip.encodeImage(picture);
    now = performance.now();
    ms.push(now - before);
  } while (now < start + Number(length));
  console.log(JSON.stringify({ ms, elapsed: now - start }));
}
process.exit(0);
