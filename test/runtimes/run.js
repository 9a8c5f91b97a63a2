// Runs main.js in every runtime of this folder's package.json and holds each against the Node that runs this file.
// All variants of a precision must agree, too: threads and kernels change no bit.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('main.js', import.meta.url));
const inside = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const runtimes = {
  [`node ${process.version}`]: [process.execPath],
  'node 22': [inside('node-22/bin/node')],
  'node 24': [inside('node-24/bin/node')],
  deno: [inside('@deno/linux-x64-glibc/deno'), 'run', '--allow-all'],
  bun: [inside('@oven/bun-linux-x64/bin/bun')],
};

let passed = 0;
let failed = 0;
const reference = {};
for (const [runtime, [command, ...args]] of Object.entries(runtimes)) {
  let results;
  try {
    results = JSON.parse(execFileSync(command, [...args, main], { encoding: 'utf8', timeout: 120_000 }));
  } catch (error) {
    console.log(`${runtime}: ${error.message}`);
    failed++;
    continue;
  }
  for (const [name, result] of Object.entries(results)) {
    const precision = name.split(',')[0];
    if (result === 'unsupported') {
      console.log(`${runtime}: ${name}: not supported there`);
      continue;
    }
    reference[precision] ??= result;
    const same = JSON.stringify(result) === JSON.stringify(reference[precision]) && result.first === 'cat';
    if (!same)
      console.log(`${runtime}: ${name}: ${JSON.stringify(result)}, expected ${JSON.stringify(reference[precision])}`);
    same ? passed++ : failed++;
  }
  console.log(`${runtime}: done`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
