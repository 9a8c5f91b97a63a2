// The suite (suite.js) in every runtime, each from the packed tarball installed in a folder of its own. All embeddings must be
// those of test/golden/identity.json. Ends with a table, runtime by check, and "N passed, N failed". A runtime that is missing
// has failed. node run.js [NAME ..]: only runtimes whose names begin so. --write: identity.json from what this Node finds.
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ISOLATED, open, STRICT, serve } from '../browser/browser.js';
import { bundleEdge } from './bundle-edge.js';
import { consumers, copyBeside, copyPictures } from './consumer.js';
import { PICTURES } from './suite.js';

const IDENTITY = fileURLToPath(new URL('../golden/identity.json', import.meta.url));
const inside = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const node = (major) => inside(`node-${major}/bin/node`);
const deno = inside('@deno/linux-x64-glibc/deno');
const bun = inside('@oven/bun-linux-x64/bin/bun');
const TIMEOUT_MS = 300_000;

const { size, folder: consumer, remove } = consumers();

async function run(command, args, cwd) {
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1', DENO_NO_UPDATE_CHECK: '1' };
  const running = promisify(execFile)(command, args, { cwd, env, timeout: TIMEOUT_MS, maxBuffer: 1 << 26 });
  running.child.stdin.end();
  const { stdout } = await running;
  return stdout;
}

const versionOf = (command) => execFileSync(command, ['--version'], { encoding: 'utf8' }).split('\n')[0].trim();
const packageVersion = (name) => JSON.parse(readFileSync(inside(`${name}/package.json`))).version;

/** Node, Deno and Bun. */
function processRuntime(command, args = []) {
  return async (name) => {
    const folder = consumer(name);
    copyPictures(folder);
    copyBeside(import.meta.url, ['suite.js', 'process.js'], folder);
    const { results, start } = JSON.parse(await run(command, [...args, 'process.js'], folder));
    return { version: `${versionOf(command)}, from import to model: ${start}`, results };
  };
}

/** worker.js and the request that brings its pictures: a list of lengths, a line feed, the bytes. */
function workerFolder(name) {
  const folder = consumer(name);
  copyBeside(import.meta.url, ['suite.js', 'worker.js', 'edge-entry.js', 'wrangler.toml'], folder);
  const pictures = PICTURES.map((picture) => readFileSync(here(`../golden/${picture}`)));
  const lengths = JSON.stringify(pictures.map(({ length }) => length));
  writeFileSync(join(folder, 'request'), Buffer.concat([Buffer.from(`${lengths}\n`), ...pictures]));
  return folder;
}

async function workerd(name) {
  const folder = workerFolder(name);
  const wrangler = [inside('wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out'];
  const upload = /Total Upload: (.*)/.exec(await run(node(22), wrangler, folder))?.[1];
  console.log(`wrangler: ${upload}`);
  const version = `${packageVersion('workerd')} by miniflare ${packageVersion('miniflare')}, wrangler ${packageVersion('wrangler')}`;
  return { version, results: JSON.parse(await run(node(22), [here('workerd.js'), 'out', 'request'], folder)) };
}

async function edgeRuntime(name) {
  const folder = workerFolder(name);
  await bundleEdge(folder);
  const output = await run(node(22), [here('edge.js'), 'edge', 'request'], folder);
  return { version: packageVersion('edge-runtime'), results: JSON.parse(output) };
}

/** One of the modes of browser/cases.js. */
function browser(command, mode, headers = {}) {
  return async (name) => {
    const folder = consumer(name);
    copyPictures(folder);
    copyBeside(import.meta.url, ['suite.js'], folder);
    copyBeside(new URL('../browser/', import.meta.url), ['page.html', 'page.js', 'worker.js', 'cases.js'], folder);
    const server = await serve(folder, headers);
    try {
      const { results } = await open(command, `${server.address}page.html?mode=${mode}`, server.posted);
      if (results.error && typeof results.error === 'string') throw new Error(results.error);
      return { version: versionOf(command), results };
    } finally {
      server.stop();
    }
  };
}

const relaxed = ['relaxed 1', 'relaxed 2', 'relaxed 4'];
const threads = ['simd 2', 'simd 4', 'relaxed 2', 'relaxed 4', 'bundle 2', 'worker 2'];
const inWorker = ['worker', 'worker 2', 'worker error', 'turning'];
/** How to run each, and which checks it cannot pass: these must be told as missing, with a reason, or not be there. */
const RUNTIMES = {
  'node 20': { run: processRuntime(node(20)), lacks: relaxed },
  'node 22': { run: processRuntime(node(22)), lacks: [] },
  'node 24': { run: processRuntime(node(24)), lacks: [] },
  'node 26': { run: processRuntime(node(26)), lacks: [] },
  deno: { run: processRuntime(deno, ['run', '--allow-all', '--quiet']), lacks: [] },
  bun: { run: processRuntime(bun), lacks: [] },
  workerd: { run: workerd, lacks: [...threads, ...inWorker, 'bundle', 'core'] },
  'edge-runtime': { run: edgeRuntime, lacks: [...threads, ...inWorker, 'bundle', 'core'] },
};
for (const command of ['chromium', 'firefox-esr']) {
  const strict = { ...ISOLATED, ...STRICT };
  const inBundle = ['bundle', 'bundle 2', 'core'];
  RUNTIMES[`${command} page`] = { run: browser(command, 'page', strict), lacks: inBundle };
  RUNTIMES[`${command} worker`] = { run: browser(command, 'worker', strict), lacks: inBundle };
  RUNTIMES[`${command} bundle`] = { run: browser(command, 'open', ISOLATED), lacks: ['simd 1', 'relaxed 1', ...threads.slice(0, 4), ...inWorker] }; // biome-ignore format: one line
  RUNTIMES[`${command} plain`] = { run: browser(command, 'plain'), lacks: threads };
}
const CHECKS = [
  'automatic',
  'error',
  'simd 1',
  'simd 2',
  'simd 4',
  ...relaxed,
  'bundle',
  'bundle 2',
  'core',
  ...inWorker,
];

const write = process.argv.includes('--write');
const only = process.argv.slice(2).filter((argument) => argument !== '--write');
const identity = write ? {} : JSON.parse(readFileSync(IDENTITY));

/** "ok", "-" where it is known to be missing, or "FAILED" with its reason printed. */
function judge(runtime, check, result, lacks) {
  const fail = (reason) => {
    console.log(`${runtime}: ${check}: ${reason}`);
    return 'FAILED';
  };
  if (lacks.includes(check)) {
    if (result === undefined || result.missing) return '-';
    return fail(`should be missing, gave ${JSON.stringify(result)}`);
  }
  if (result === undefined) return fail('was not run');
  if (!result.groups) return fail(result.error ?? `missing: ${result.missing}`);
  const wrong = Object.entries(result.groups).filter(([group, hash]) => {
    if (write) identity[group] ??= hash;
    return identity[group] !== hash;
  });
  return wrong.length === 0 ? 'ok' : fail(`other bits: ${JSON.stringify(Object.fromEntries(wrong))}`);
}

let passed = 0;
let failed = 0;
const rows = [['', ...CHECKS]];
const versions = [];
try {
  for (const [name, runtime] of Object.entries(RUNTIMES)) {
    if (only.length > 0 && !only.some((prefix) => name.startsWith(prefix))) continue;
    let found;
    try {
      found = await runtime.run(name.replace(' ', '-'));
    } catch (error) {
      console.log(`${name}: ${error.message}\n${error.stderr ?? ''}`);
      failed += CHECKS.length - runtime.lacks.length;
      rows.push([name, ...CHECKS.map(() => 'FAILED')]);
      continue;
    }
    versions.push(`${name}: ${found.version}`);
    const extra = Object.keys(found.results).filter((check) => !CHECKS.includes(check));
    const judged = [...CHECKS, ...extra].map((check) => judge(name, check, found.results[check], runtime.lacks));
    passed += judged.filter((word) => word === 'ok').length;
    failed += judged.filter((word) => word === 'FAILED').length;
    rows.push([name, ...judged.slice(0, CHECKS.length)]);
    console.log(`${name}: done`);
  }
} finally {
  remove();
}
if (write) writeFileSync(IDENTITY, `${JSON.stringify(identity, null, 2)}\n`);

const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
const line = (row) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
console.log(`\n${line(rows[0])}\n|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
for (const row of rows.slice(1)) console.log(line(row));
console.log(`\n${versions.join('\n')}\n\ntarball: ${size} bytes`);
for (const [group, hash] of Object.entries(identity)) console.log(`${group}: ${hash}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
