// A small program that uses the packed package, through every bundler and compiler, run after the build in another folder
// (bundled.js), and as it is installed, in test runners and other homes (installed.js). Ends with a table, and "N passed, N
// failed". node run.js [NAME ..]: only cases whose names begin so.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { table } from '../runtimes/table.js';
import { BUNDLED } from './bundled.js';
import { INSTALLED } from './installed.js';
import { EXPECTED, PICTURES, remove } from './project.js';

/** Bytes of scripts, and of the rest. */
function sizes(folder) {
  let scripts = 0;
  let zipped = 0;
  let rest = 0;
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = join(folder, name);
    if (name in PICTURES || !statSync(path).isFile()) continue;
    if (!/\.[cm]?js$/.test(name)) {
      rest += statSync(path).size;
      continue;
    }
    const code = readFileSync(path);
    scripts += code.length;
    zipped += gzipSync(code).length;
  }
  return `${scripts} (${zipped} gzip) scripts, ${rest} other`;
}

const only = process.argv.slice(2);
const rows = [['bundler', 'result', 'bytes']];
let passed = 0;
let failed = 0;
try {
  for (const [name, run] of Object.entries({ ...BUNDLED, ...INSTALLED })) {
    if (only.length > 0 && !only.some((prefix) => name.startsWith(prefix))) continue;
    let row = [name, 'FAILED', ''];
    try {
      const { answer, folder } = await run(name);
      if (answer === EXPECTED) row = [name, 'ok', folder ? sizes(folder) : ''];
      else console.log(`${name}: ${answer}`);
    } catch (error) {
      console.log(`${name}: ${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`.slice(0, 4000));
    }
    row[1] === 'ok' ? passed++ : failed++;
    rows.push(row);
    console.log(`${name}: ${row[1]}`);
  }
} finally {
  remove();
}
console.log(`\n${table(rows)}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
