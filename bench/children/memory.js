// What a loaded image tower takes. `memory.js FOLDER`; `memory.js import`: what the package's code takes without a model;
// with no word at all, what the runtime takes by itself.
const word = process.argv[2];
let plan = {};
if (word) {
  const { loadClip } = await import('../../dist/index.js');
  if (word !== 'import') plan = await run(loadClip, word);
}
console.log(JSON.stringify({ ...plan, peak: process.resourceUsage().maxRSS * 1024 }));

async function run(loadClip, folder) {
  const clip = await loadClip(folder, { towers: ['image'] });
  const data = Uint8Array.from({ length: 224 * 224 * 3 }, (_, i) => (i * 7 + (i >> 3) * 13) & 255);
  for (let i = 0; i < 3; i++) await clip.encodeImage({ data, width: 224, height: 224 });
  const { total, use } = clip.info().memory;
  return { total, use };
}
