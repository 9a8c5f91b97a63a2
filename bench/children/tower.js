// An image tower that embeds a picture repeatedly on request. `tower.js FOLDER|embedded PRECISION THREADS [FILE]`
// Answers in JSON lines: {"ready":true} once; to each line `run T N`, the milliseconds per picture of every call within T
// milliseconds, with N pictures per call, and the processor's time of all. The picture is raw pixels, or the bytes of FILE.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadClip } from '../../dist/index.js';

const [folder, precision, threads, file] = process.argv.slice(2);
const clip = await loadClip(folder === 'embedded' ? undefined : folder, {
  precision,
  threads: Number(threads),
  towers: ['image'],
});
const data = Uint8Array.from({ length: 224 * 224 * 3 }, (_, i) => (i * 7 + (i >> 3) * 13) & 255);
const picture = file ? new Uint8Array(readFileSync(file)) : { data, width: 224, height: 224 };
// Warm-up: code is optimized and the tile autotuned, with single pictures and with batches.
for (let i = 0; i < 6; i++) await clip.encodeImage(picture);
for (let i = 0; i < 6; i++) await clip.encodeImage([picture, picture]);
const { kernels, threads: got } = clip.info();
console.log(JSON.stringify({ ready: true, kernels, threads: got.count }));

for await (const line of createInterface({ input: process.stdin })) {
  const [word, length, n] = line.split(' ');
  if (word !== 'run') break;
  const input = n === '1' ? picture : Array(Number(n)).fill(picture);
  const ms = [];
  const before = process.cpuUsage();
  const start = performance.now();
  let now = start;
  do {
    const last = now;
    await clip.encodeImage(input);
    now = performance.now();
    ms.push((now - last) / Number(n));
  } while (now < start + Number(length));
  const { user, system } = process.cpuUsage(before);
  const pictures = ms.length * Number(n);
  console.log(JSON.stringify({ ms, elapsed: now - start, pictures, cpuMs: (user + system) / 1000 }));
}
process.exit(0);
