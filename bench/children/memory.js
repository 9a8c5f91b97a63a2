// What a loaded image tower takes. `memory.js FOLDER`; `memory.js import`: what the package's code takes without a model;
// without an argument, what the runtime alone takes.
import { existsSync, readFileSync } from 'node:fs';

const word = process.argv[2];
let plan = {};
if (word) {
  const { loadClip } = await import('../../dist/index.js');
  if (word !== 'import') plan = await run(loadClip, word);
}
console.log(JSON.stringify({ ...plan, peak: peakKilobytes() * 1024 }));

/** On Linux maxRSS begins with what the parent had when it started this process; VmHWM does not. */
function peakKilobytes() {
  if (!existsSync('/proc/self/status')) return process.resourceUsage().maxRSS;
  return Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

async function run(loadClip, folder) {
  const clip = await loadClip(folder, { towers: ['image'] });
  const data = new Uint8Array(224 * 224 * 3).fill(128); // values made one by one would bring in the compiler: 2 MB
  for (let i = 0; i < 3; i++) await clip.encodeImage({ data, width: 224, height: 224 });
  const { total, use } = clip.info().memory;
  return { total, use };
}
