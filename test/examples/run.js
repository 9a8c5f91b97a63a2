// The examples, each run as its README says, with the packed tarball installed in a folder of its own. A file for each example
// gives how it is run. Ends with a table, and "N passed, N failed". A runtime that is missing has failed.
// node run.js [NAME ..]: only examples whose names begin so.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { consumers } from '../runtimes/consumer.js';
import { table } from '../runtimes/table.js';
import { PHOTOS } from './service.js';

const EXAMPLES = [
  'browser',
  'cloudflare-worker',
  'cloudflare-queue',
  'deno-deploy',
  'bun-server',
  'supabase-edge',
  'vercel-edge',
  'next',
  'node-batch',
  'photo-search',
  'qdrant',
  'cloudflare-vectorize',
];
/** What no folder in examples/ belongs to. */
const OTHERS = ['edge-limits'];

const { folder: consumer, remove } = consumers();

/** The example's folder as a user has it after `npm install`. */
function folder(name) {
  const path = consumer(name);
  if (OTHERS.includes(name)) return path;
  cpSync(fileURLToPath(new URL(`../../examples/${name}/`, import.meta.url)), path, { recursive: true });
  return path;
}

/** The embeddings of the photos, by the installed package in this Node. */
async function embeddings() {
  const entry = pathToFileURL(join(consumer('expected'), 'node_modules/edgeclip/dist/index.js'));
  const { loadClip } = await import(entry.href);
  const clip = await loadClip({ towers: ['image'] });
  const expected = {};
  for (const [name, photo] of Object.entries(PHOTOS)) {
    expected[name] = [...(await clip.encodeImage(photo, { orient: true }))];
  }
  clip.dispose();
  return expected;
}

const only = process.argv.slice(2);
const rows = [['example', 'result', 'checks', 'runtime']];
const notes = [];
let passed = 0;
let failed = 0;
try {
  const expected = await embeddings();
  for (const name of [...EXAMPLES, ...OTHERS]) {
    if (only.length > 0 && !only.some((prefix) => name.startsWith(prefix))) continue;
    let row = [name, 'FAILED', '', ''];
    try {
      const run = (await import(`./${name}.js`)).default;
      const { checks, runtime, notes: more = [] } = await run({ folder: folder(name), expected });
      row = [name, 'ok', String(checks), runtime];
      notes.push(...more.map((note) => `${name}: ${note}`));
    } catch (error) {
      console.log(`${name}: ${error.stack}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`.slice(0, 8000));
    }
    row[1] === 'ok' ? passed++ : failed++;
    rows.push(row);
    console.log(`${name}: ${row[1]}`);
  }
} finally {
  remove();
}
console.log(`\n${table(rows)}`);
for (const note of notes) console.log(note);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0); // what a failed example left does not keep the others waiting
