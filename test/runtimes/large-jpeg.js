// Writes a baseline JPEG: node large-jpeg.js WIDTH HEIGHT FILE
import { readFileSync, writeFileSync } from 'node:fs';
import encode, { init } from '@jsquash/jpeg/encode.js';

const [width, height] = process.argv.slice(2, 4).map(Number);
const data = new Uint8ClampedArray(width * height * 4);
// Structure at all scales, as a photo has it, and some noise.
let noise = 1;
for (let y = 0, at = 0; y < height; y++) {
  for (let x = 0; x < width; x++) {
    noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) >>> 0;
    const wave = ((x * y) >> 10) ^ (x >> 3) ^ (y >> 2);
    data[at++] = ((wave + (x >> 4)) & 127) + (noise >>> 27) + 40;
    data[at++] = ((wave >> 1) & 127) + (noise >>> 28) + 60;
    data[at++] = ((x + y) >> 5) & 255;
    data[at++] = 255;
  }
}
const wasm = new URL(import.meta.resolve('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm'));
await init(await WebAssembly.compile(readFileSync(wasm)));
const image = { data, width, height, colorSpace: 'srgb' };
writeFileSync(process.argv[4], new Uint8Array(await encode(image, { quality: 80, progressive: false })));
