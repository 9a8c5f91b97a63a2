// From import to the first embedding, in a fresh process of any runtime. `start.js PICTURE [ROOT]`; ROOT: the URL of the
// checkout whose dist is measured, this one by default.
import { readFileSync } from 'node:fs';

const picture = new Uint8Array(readFileSync(process.argv[2]));
const index = new URL('dist/index.js', process.argv[3] ?? new URL('../../', import.meta.url)).href;
const start = performance.now();
const { loadClip } = await import(index);
const imported = performance.now();
const clip = await loadClip();
const loaded = performance.now();
await clip.encodeImage(picture);
const end = performance.now();
console.log(
  JSON.stringify({
    boot: start,
    import: imported - start,
    load: loaded - imported,
    first: end - loaded,
    all: end - start,
  }),
);
