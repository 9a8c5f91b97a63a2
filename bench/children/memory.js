// What a loaded image tower takes. `memory.js [FOLDER]`; without a folder, what the runtime takes by itself.
const folder = process.argv[2];
let plan = {};
if (folder) {
  const { loadClip } = await import('../../dist/index.js');
  const clip = await loadClip(folder, { towers: ['image'] });
  const data = Uint8Array.from({ length: 224 * 224 * 3 }, (_, i) => (i * 7 + (i >> 3) * 13) & 255);
  for (let i = 0; i < 3; i++) await clip.encodeImage({ data, width: 224, height: 224 });
  const { total, use } = clip.info().memory;
  plan = { total, use };
}
console.log(JSON.stringify({ ...plan, peak: process.resourceUsage().maxRSS * 1024 }));
