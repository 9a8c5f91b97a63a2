// The suite (suite.js) in every runtime, each from the packed tarball installed in a folder of its own. All embeddings must be
// those of test/golden/identity.json. Ends with a table, runtime by check, and "N passed, N failed". A runtime that is missing
// has failed. node run.js [NAME ..]: only runtimes whose names begin so. --check NAME,..: only these checks. --whole: all checks of
// the emulated ones, too, which take hours. --write: identity.json from what this Node finds.
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { ISOLATED, open, STRICT, serve } from '../browser/browser.js';
import { arm64, installArm64, qemuVersion } from './arm64.js';
import { bundleEdge } from './bundle-edge.js';
import { consumers, copyBeside, copyPictures } from './consumer.js';
import { FILES } from './suite.js';
import { table } from './table.js';

const IDENTITY = fileURLToPath(new URL('../golden/identity.json', import.meta.url));
const inside = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const node = (major) => inside(`node-${major}/bin/node`);
const deno = inside('@deno/linux-x64-glibc/deno');
const bun = inside('@oven/bun-linux-x64/bin/bun');
const TIMEOUT_MS = 600_000;
const EMULATED_TIMEOUT_MS = 2_400_000;

const CHECKS = ['automatic', 'error', 'simd 1', 'simd 2', 'simd 4', 'relaxed 1', 'relaxed 2', 'relaxed 4', 'bundle', 'bundle 2', 'core', 'worker', 'worker 2', 'worker error', 'turning', 'transparent', 'image', 'imageSize', 'search', 'loop']; // biome-ignore format: one line

const { values: flags, positionals: only } = parseArgs({
  options: { check: { type: 'string' }, write: { type: 'boolean' }, whole: { type: 'boolean' } },
  allowPositionals: true,
});

const onlyChecks = flags.check ? [flags.check] : [];
const query = flags.check ? `&only=${encodeURIComponent(flags.check)}` : '';

const { size, folder: consumer, remove } = consumers();

async function execute(command, args, cwd, timeout = TIMEOUT_MS) {
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1', DENO_NO_UPDATE_CHECK: '1' };
  const running = promisify(execFile)(command, args, { cwd, env, timeout, maxBuffer: 1 << 26 });
  running.child.stdin.end();
  const { stdout } = await running;
  return stdout;
}

const versionOf = (command, ...args) =>
  execFileSync(command, [...args, '--version'], { encoding: 'utf8' })
    .split('\n')[0]
    .trim();
const packageVersion = (name) => JSON.parse(readFileSync(inside(`${name}/package.json`))).version;

/** Node, Deno and Bun, in a folder whose name a URL has to escape (R22). */
function processRuntime(command, args = []) {
  return async (name) => {
    const folder = consumer(`my app #1 100% ${name}`);
    copyPictures(folder);
    copyBeside(import.meta.url, ['suite.js', 'process.js'], folder);
    const { results, start } = JSON.parse(await execute(command, [...args, 'process.js', ...onlyChecks], folder));
    return { version: `${versionOf(command)}, from import to model: ${start}`, results };
  };
}

/** The same by qemu, which takes minutes for a check: these alone, unless others are named or the whole suite is asked for. */
function emulated(path, inCI, args = []) {
  const checks = flags.check ? flags.check.split(',') : inCI;
  const timeout = flags.whole || flags.check ? 0 : EMULATED_TIMEOUT_MS;
  const run = async (name) => {
    const folder = consumer(name);
    copyPictures(folder);
    copyBeside(import.meta.url, ['suite.js', 'process.js'], folder);
    const [qemu, ...program] = arm64(path);
    const suite = [...program, ...args, 'process.js', ...(flags.whole ? [] : [checks.join()])];
    const { results } = JSON.parse(await execute(qemu, suite, folder, timeout));
    return { version: `${versionOf(qemu, ...program)} by qemu ${qemuVersion()}`, results };
  };
  return { run, lacks: [], later: flags.whole ? [] : CHECKS.filter((check) => !checks.includes(check)) };
}

/** worker.js and the request that brings its pictures: a list of lengths, a line feed, the bytes. */
function workerFolder(name) {
  const folder = consumer(name);
  copyBeside(import.meta.url, ['suite.js', 'worker.js', 'edge-entry.js', 'wrangler.toml'], folder);
  const pictures = FILES.map((picture) => readFileSync(here(`../golden/${picture}`)));
  const lengths = JSON.stringify(pictures.map(({ length }) => length));
  writeFileSync(join(folder, 'request'), Buffer.concat([Buffer.from(`${lengths}\n`), ...pictures]));
  return folder;
}

async function workerd(name) {
  const folder = workerFolder(name);
  const wrangler = [inside('wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out'];
  const upload = /Total Upload: (.*)/.exec(await execute(node(22), wrangler, folder))?.[1];
  console.log(`wrangler: ${upload}`);
  const version = `${packageVersion('workerd')} by miniflare ${packageVersion('miniflare')}, wrangler ${packageVersion('wrangler')}`;
  return {
    version,
    results: JSON.parse(await execute(node(22), [here('workerd.js'), 'out', 'request', query], folder)),
  };
}

async function edgeRuntime(name) {
  const folder = workerFolder(name);
  await bundleEdge(folder);
  const output = await execute(node(22), [here('edge.js'), 'edge', 'request', query], folder);
  return { version: packageVersion('edge-runtime'), results: JSON.parse(output) };
}

/** One of the modes of browser/cases.js. */
function browser(command, mode, headers = {}) {
  return async (name) => {
    const folder = consumer(name);
    copyPictures(folder);
    copyBeside(import.meta.url, ['suite.js'], folder);
    copyBeside(new URL('../browser/', import.meta.url), ['page.html', 'page.js', 'worker.js', 'cases.js'], folder);
    for (const model of ['tiny-vit', 'tiny-vit-hf']) cpSync(here(`../golden/${model}`), join(folder, 'app', model), { recursive: true }); // biome-ignore format: one line
    const server = await serve(folder, headers, 'app');
    try {
      const { results } = await open(command, `${server.address}page.html?mode=${mode}${query}`, server);
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
const denoRun = ['run', '--allow-all', '--quiet'];
/** How to run each, and which checks it cannot pass: these must be told as missing, with a reason, or not be there. */
const RUNTIMES = {
  'node 20': { run: processRuntime(node(20)), lacks: relaxed },
  'node 22': { run: processRuntime(node(22)), lacks: [] },
  'node 24': { run: processRuntime(node(24)), lacks: [] },
  'node 26': { run: processRuntime(node(26)), lacks: [] },
  deno: { run: processRuntime(deno, denoRun), lacks: [] },
  bun: { run: processRuntime(bun), lacks: [] },
  workerd: { run: workerd, lacks: [...threads, ...inWorker, 'bundle', 'core', 'loop'] },
  'edge-runtime': { run: edgeRuntime, lacks: [...threads, ...inWorker, 'bundle', 'core', 'loop'] },
};
for (const command of ['chromium', 'firefox-esr']) {
  const strict = { ...ISOLATED, ...STRICT };
  const inBundle = ['bundle', 'bundle 2', 'core'];
  RUNTIMES[`${command} page`] = { run: browser(command, 'page', strict), lacks: inBundle };
  RUNTIMES[`${command} worker`] = { run: browser(command, 'worker', strict), lacks: inBundle };
  RUNTIMES[`${command} bundle`] = { run: browser(command, 'open', ISOLATED), lacks: ['simd 1', 'relaxed 1', ...threads.slice(0, 4), ...inWorker, 'image', 'search', 'loop'] }; // biome-ignore format: one line
  RUNTIMES[`${command} plain`] = { run: browser(command, 'plain'), lacks: threads };
}
/** They compute on one processor, beside the others. */
const EMULATED = {
  'arm64 node 24': emulated('node-24/bin/node', ['error', 'simd 1', 'relaxed 1']),
  'arm64 deno': emulated('@deno/linux-arm64-glibc/deno', ['error', 'simd 1'], denoRun),
  'arm64 bun': emulated('@oven/bun-linux-aarch64/bin/bun', ['error', 'simd 1', 'relaxed 1']),
};

const identity = flags.write ? {} : JSON.parse(readFileSync(IDENTITY));

/** "ok", "-" where it is known to be missing, "later" for the long run, or "FAILED" with its reason printed. */
function judge(runtime, check, result, { lacks, later = [] }) {
  const fail = (reason) => {
    console.log(`${runtime}: ${check}: ${reason}`);
    return 'FAILED';
  };
  if (later.includes(check)) return 'later';
  if (flags.check && !flags.check.split(',').includes(check)) return '';
  if (lacks.includes(check)) {
    if (result === undefined || result.missing) return '-';
    return fail(`should be missing, gave ${JSON.stringify(result)}`);
  }
  if (result === undefined) return fail('was not run');
  if (!result.groups) return fail(result.error ?? `missing: ${result.missing}`);
  const wrong = Object.entries(result.groups).filter(([group, hash]) => {
    if (flags.write) identity[group] ??= hash;
    return identity[group] !== hash;
  });
  return wrong.length === 0 ? 'ok' : fail(`other bits: ${JSON.stringify(Object.fromEntries(wrong))}`);
}

/** Runs one, and judges each check, with those that only it has. */
async function tryRuntime(name, runtime) {
  const from = performance.now();
  const took = () => `${Math.round((performance.now() - from) / 1000)} s`;
  try {
    const { version, results } = await runtime.run(name.replaceAll(' ', '-'));
    const checks = [...CHECKS, ...Object.keys(results).filter((check) => !CHECKS.includes(check))];
    console.log(`${name}: done`);
    return { version: `${name}: ${version}, ${took()}`, words: checks.map((check) => judge(name, check, results[check], runtime)) }; // biome-ignore format: one line
  } catch (error) {
    console.log(`${name}: ${error.message}\n${error.stderr ?? ''}`);
    return { version: `${name}: failed, ${took()}`, words: CHECKS.map(() => 'FAILED') };
  }
}

const found = {};
async function tryAll(runtimes) {
  for (const [name, runtime] of runtimes) found[name] = await tryRuntime(name, runtime);
}

const chosen = (runtimes) =>
  Object.entries(runtimes).filter(([name]) => only.length === 0 || only.some((prefix) => name.startsWith(prefix)));
try {
  if (chosen(EMULATED).length > 0) installArm64();
  await Promise.all([tryAll(chosen(RUNTIMES)), tryAll(chosen(EMULATED))]);
} finally {
  remove();
}
if (flags.write) writeFileSync(IDENTITY, `${JSON.stringify(identity, null, 2)}\n`);

const names = [...chosen(RUNTIMES), ...chosen(EMULATED)].map(([name]) => name);
const words = names.flatMap((name) => found[name].words);
const failed = words.filter((word) => word === 'FAILED').length;
const printed = table([['', ...CHECKS], ...names.map((name) => [name, ...found[name].words.slice(0, CHECKS.length)])]);
console.log(`\n${printed}\n-: not there, or in another row. later: npm run soak -- arm64\n`);
for (const name of names) console.log(found[name].version);
console.log(`\ntarball: ${size} bytes`);
for (const [group, hash] of Object.entries(identity)) console.log(`${group}: ${hash}`);
console.log(`${words.filter((word) => word === 'ok').length} passed, ${failed} failed`);
const shown =
  only.length > 0 ||
  flags.check !== undefined ||
  flags.whole ||
  readFileSync(here('../../README.md'), 'utf8').includes(printed);
if (!shown) console.log('README.md must show this table');
process.exitCode = failed > 0 || !shown ? 1 : 0;
