const t0=performance.now();
const { loadClip } = await import('../../dist/index.js'); const t1=performance.now();
const clip=await loadClip(undefined,JSON.parse(process.argv[2]||'{}')); const t2=performance.now();
const { readFile } = await import('node:fs/promises');
const b=await readFile(new URL('../golden/preprocess/inputs/jpeg_q75_500x375.jpg',import.meta.url));
await clip.encodeImage(b); const t3=performance.now();
console.log(JSON.stringify({import:+(t1-t0).toFixed(1),load:+(t2-t1).toFixed(1),embed:+(t3-t2).toFixed(1),total:+(t3-t0).toFixed(1), boot:+t0.toFixed(1)}));
