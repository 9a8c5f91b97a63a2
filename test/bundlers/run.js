// A small program that uses the packed package, through every bundler, run after the build in another folder. The program
// imports `edgeclip`, or `edgeclip/bundle` where a bundler does not follow `new URL('./file', import.meta.url)`. Ends with a
// table, and "N passed, N failed". Wrangler's bundle is run by test/runtimes. node run.js [NAME ..]: only cases whose names begin so.
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { open, serve } from '../browser/browser.js';
import { consumers } from '../runtimes/consumer.js';
import { table } from '../runtimes/table.js';

const EXPECTED = 'cat rocket cat';
const TIMEOUT_MS = 300_000;
const inside = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const PROGRAMS = fileURLToPath(new URL('programs/', import.meta.url));
const NEXT = fileURLToPath(new URL('next/', import.meta.url));
const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));
const PICTURES = {
  'cat.png': 'photos/cat.png',
  'rocket.jpg': 'photos/rocket.jpg',
  'picture.webp': 'preprocess/inputs/webp_lossless_320x256.webp',
};
const NODE = inside('node-22/bin/node');
const BUN = inside('@oven/bun-linux-x64/bin/bun');
const ENTRY = { plain: 'edgeclip', bundle: 'edgeclip/bundle', worker: 'edgeclip/worker' };

const { folder: consumer, remove } = consumers();

async function run(command, args, cwd) {
  const PATH = `${dirname(NODE)}:${process.env.PATH}`;
  const env = { ...process.env, PATH, CI: '1', NEXT_TELEMETRY_DISABLED: '1' };
  const running = promisify(execFile)(command, args, { cwd, env, timeout: TIMEOUT_MS, maxBuffer: 1 << 26 });
  running.child.stdin.end();
  const { stdout } = await running;
  return stdout.trim();
}

function pictures(folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, path] of Object.entries(PICTURES)) cpSync(join(GOLDEN, path), join(folder, name));
}

/** A consumer's folder with the programs, importing this entry, and the bundlers beside it as a user has them. */
function project(name, entry) {
  const folder = consumer(name.replace(/\W+/g, '-'));
  cpSync(PROGRAMS, folder, { recursive: true });
  for (const file of readdirSync(folder, { recursive: true })) {
    if (file.startsWith('node_modules') || !/\.(?:js|jsx)$/.test(file)) continue;
    const path = join(folder, file);
    writeFileSync(path, readFileSync(path, 'utf8').replace("'edgeclip'", `'${entry}'`));
  }
  return folder;
}

/** Moves what was built to a folder of its own, with the pictures beside it: nothing else of the project is there. */
function elsewhere(folder, output) {
  const target = join(dirname(folder), `${folder.split('/').at(-1)}-elsewhere`, 'app');
  mkdirSync(dirname(target), { recursive: true });
  renameSync(join(folder, output), target);
  renameSync(join(folder, 'node_modules'), join(folder, 'not-there'));
  pictures(target);
  return target;
}

async function inBrowser(folder, page = 'index.html') {
  const server = await serve(folder);
  try {
    return await open('chromium', server.address + page, server.posted);
  } finally {
    server.stop();
  }
}

const html = (folder, script, type = 'module') =>
  writeFileSync(join(folder, 'index.html'), `<!doctype html><meta charset="utf-8" /><title>t</title><script type="${type}" src="./${script}"></script>`); // biome-ignore format: one line

/** For Node: builds, and runs what came out. */
const nodeCase =
  (entry, output, build, command = NODE) =>
  async (name) => {
    const folder = project(name, ENTRY[entry]);
    await build(folder);
    const target = elsewhere(folder, output.split('/')[0]);
    const file = output.split('/').slice(1).join('/');
    const answer = command ? await run(command, [file], target) : await run(join(target, file), [], target);
    return { answer, folder: target };
  };

/** For browsers: builds, and opens the page. */
const webCase = (entry, output, build) => async (name) => {
  const folder = project(name, ENTRY[entry]);
  await build(folder);
  const target = elsewhere(folder, output);
  return { answer: await inBrowser(target), folder: target };
};

const vite = (folder) => run(NODE, [inside('vite/bin/vite.js'), 'build'], folder);
const esbuild = (folder, ...args) =>
  run(inside('esbuild/bin/esbuild'), ['--bundle', '--log-level=warning', ...args], folder);
const rollup = (folder, ...args) => run(NODE, [inside('rollup/dist/bin/rollup'), ...args, '--silent'], folder);
const bun = (folder, ...args) => run(BUN, ['build', ...args], folder);

async function webpack(folder, config) {
  writeFileSync(
    join(folder, 'webpack.config.cjs'),
    `module.exports = ${JSON.stringify({ mode: 'production', ...config })};\n`,
  );
  await run(NODE, [inside('webpack/bin/webpack.js'), '--config', 'webpack.config.cjs'], folder);
}

const viteDev = (entry) => async (name) => {
  const folder = project(name, ENTRY[entry]);
  pictures(join(folder, 'public'));
  const child = spawn(NODE, [inside('vite/bin/vite.js'), '--host', 'localhost', '--port', '5199', '--strictPort'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] }); // biome-ignore format: one line
  const server = await serve(folder);
  try {
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (data) => /Local/.test(data) && resolve());
      child.once('exit', () => reject(new Error('vite ended')));
    });
    const to = encodeURIComponent(`${server.address}results`);
    return { answer: await open('chromium', `http://localhost:5199/index.html?to=${to}`, server.posted) };
  } finally {
    child.removeAllListeners('exit');
    child.kill();
    server.stop();
  }
};

/** Next.js with `output: 'standalone'`: a route on Node, the same on the edge runtime, and a client component. */
async function next(name) {
  const folder = project(name, ENTRY.plain);
  cpSync(NEXT, folder, { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url)));
  const packages = ['next', 'react', 'react-dom'].map((dependency) => `${dependency}@${dependencies[dependency]}`);
  await run('npm', ['install', '--no-audit', '--no-fund', '--silent', '--prefer-offline', ...packages], folder);
  await run(NODE, ['node_modules/next/dist/bin/next', 'build'], folder);
  // What Next.js tells people to copy beside the server.
  cpSync(join(folder, '.next/static'), join(folder, '.next/standalone/.next/static'), { recursive: true });
  pictures(join(folder, '.next/standalone/public'));
  const target = elsewhere(folder, '.next/standalone');
  const env = { ...process.env, PORT: '5198', HOSTNAME: 'localhost' };
  const child = spawn(NODE, ['server.js'], { cwd: target, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const server = await serve(target);
  try {
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (data) => /Ready/.test(data) && resolve());
      child.once('exit', () => reject(new Error('the server ended')));
    });
    for (const route of ['classify', 'edge']) {
      const answer = await (await fetch(`http://localhost:5198/${route}`)).json();
      if (answer !== EXPECTED) return { answer: `/${route}: ${answer}` };
    }
    const to = encodeURIComponent(`${server.address}results`);
    return { answer: await open('chromium', `http://localhost:5198/?to=${to}`, server.posted) };
  } finally {
    child.removeAllListeners('exit');
    child.kill();
    server.stop();
  }
}

const CASES = {
  'vite dev': viteDev('plain'),
  'vite dev, edgeclip/worker': viteDev('worker'),
  'vite build': webCase('plain', 'dist', vite),
  'vite build, worker': webCase('plain', 'dist', (folder) => {
    html(folder, 'page-of-worker.js');
    return vite(folder);
  }),
  'vite build, edgeclip/worker': webCase('worker', 'dist', vite),
  'webpack web': webCase('plain', 'dist', async (folder) => {
    await webpack(folder, { entry: './page.js' });
    html(join(folder, 'dist'), 'main.js', 'text/javascript');
  }),
  'webpack web, worker': webCase('plain', 'dist', async (folder) => {
    await webpack(folder, { entry: './page-of-worker.js' });
    html(join(folder, 'dist'), 'main.js', 'text/javascript');
  }),
  'webpack web, edgeclip/worker': webCase('worker', 'dist', async (folder) => {
    await webpack(folder, { entry: './page.js' });
    html(join(folder, 'dist'), 'main.js', 'text/javascript');
  }),
  'webpack node': nodeCase('plain', 'dist/main.js', (folder) =>
    webpack(folder, { entry: './node.js', target: 'node' }),
  ),
  'rollup node': nodeCase('plain', 'dist/node.js', (folder) =>
    rollup(
      folder,
      'node.js',
      '--dir',
      'dist',
      '-f',
      'es',
      '-p',
      inside('@rollup/plugin-node-resolve/dist/es/index.js'),
    ),
  ),
  'rollup web': webCase('bundle', 'dist', async (folder) => {
    await rollup(
      folder,
      'page.js',
      '--dir',
      'dist',
      '-f',
      'es',
      '-p',
      `${inside('@rollup/plugin-node-resolve/dist/es/index.js')}={browser: true}`,
    );
    html(join(folder, 'dist'), 'page.js');
  }),
  'esbuild web': webCase('bundle', 'dist', async (folder) => {
    await esbuild(folder, 'page.js', '--outdir=dist', '--format=esm', '--minify');
    html(join(folder, 'dist'), 'page.js');
  }),
  'esbuild node, ESM': nodeCase('bundle', 'dist/node.mjs', (folder) =>
    esbuild(folder, 'node.js', '--outfile=dist/node.mjs', '--platform=node', '--format=esm'),
  ),
  'esbuild node, CJS': nodeCase('bundle', 'dist/node.cjs', (folder) =>
    esbuild(folder, 'node.js', '--outfile=dist/node.cjs', '--platform=node', '--format=cjs'),
  ),
  'bun build': nodeCase(
    'bundle',
    'dist/node.js',
    (folder) => bun(folder, 'node.js', '--target=bun', '--outdir=dist'),
    BUN,
  ),
  'bun build, node': nodeCase('bundle', 'dist/node.js', (folder) =>
    bun(folder, 'node.js', '--target=node', '--outdir=dist'),
  ),
  'bun build --compile': nodeCase(
    'bundle',
    'dist/program',
    (folder) => bun(folder, 'node.js', '--compile', '--outfile=dist/program'),
    null,
  ),
  next,
};

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
  for (const [name, run] of Object.entries(CASES)) {
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
