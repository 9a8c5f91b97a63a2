// B12, B13: the program through every bundler. It imports `edgeclip`, or `edgeclip/bundle` where a bundler does not follow
// `new URL('./file', import.meta.url)`.
import { spawn } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open, serve } from '../browser/browser.js';
import { freePort } from '../free-port.js';
import {
  BUN,
  ENTRY,
  EXPECTED,
  elsewhere,
  html,
  inside,
  NODE,
  nodeCase,
  PICTURES,
  pictures,
  project,
  run,
  webCase,
} from './project.js';
import { needs } from './readme.js';

const runtimes = (path) => fileURLToPath(new URL(`../runtimes/${path}`, import.meta.url));
const NEXT = fileURLToPath(new URL('next/', import.meta.url));

const vite = (folder, version = 'vite') => run(NODE, [inside(`${version}/bin/vite.js`), 'build'], folder);
const olderVite = (folder) =>
  writeFileSync(join(folder, 'vite.config.mjs'), `export default { ${needs('Vite 6 and 7')} };\n`);
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

const viteDev =
  (entry, script, version = 'vite') =>
  async (name) => {
    const folder = project(name, ENTRY[entry]);
    if (version !== 'vite') olderVite(folder);
    html(folder, script);
    pictures(join(folder, 'public'));
    const child = spawn(NODE, [inside(`${version}/bin/vite.js`), '--host', 'localhost', '--port', '5199', '--strictPort'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] }); // biome-ignore format: one line
    const server = await serve(folder);
    try {
      await new Promise((resolve, reject) => {
        child.stdout.on('data', (data) => /Local/.test(data) && resolve());
        child.once('exit', () => reject(new Error('vite ended')));
      });
      const to = encodeURIComponent(`${server.address}results`);
      return { answer: await open('chromium', `http://localhost:5199/index.html?to=${to}`, { posted: server.posted }) };
    } finally {
      child.removeAllListeners('exit');
      child.kill();
      server.stop();
    }
  };

/**
 * Next.js with `output: 'standalone'`: a route on Node, the same on the edge runtime, and a client component. With webpack, Next.js
 * 16.4 builds no route handler for the edge runtime, not even one that imports nothing: it looks for a manifest that it did not write.
 */
const next = (bundler) => async (name) => {
  const routes = bundler === 'webpack' ? ['classify'] : ['classify', 'edge'];
  const folder = project(name, ENTRY.plain);
  cpSync(NEXT, folder, { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url)));
  const packages = ['next', 'react', 'react-dom'].map((dependency) => `${dependency}@${dependencies[dependency]}`);
  await run('npm', ['install', '--no-audit', '--no-fund', '--silent', '--prefer-offline', ...packages], folder);
  if (bundler === 'webpack') {
    const options = `output: 'standalone', ${needs('Next.js with webpack')}`;
    writeFileSync(join(folder, 'next.config.mjs'), `export default { ${options} };\n`);
    rmSync(join(folder, 'app/edge'), { recursive: true });
  }
  await run(NODE, ['node_modules/next/dist/bin/next', 'build', `--${bundler}`], folder);
  // What Next.js tells people to copy beside the server.
  cpSync(join(folder, '.next/static'), join(folder, '.next/standalone/.next/static'), { recursive: true });
  pictures(join(folder, '.next/standalone/public'));
  const target = elsewhere(folder, '.next/standalone');
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), HOSTNAME: 'localhost' };
  const child = spawn(NODE, ['server.js'], { cwd: target, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const server = await serve(target);
  try {
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (data) => /Ready/.test(data) && resolve());
      child.once('exit', () => reject(new Error('the server ended')));
    });
    for (const route of routes) {
      const answer = await (await fetch(`http://localhost:${port}/${route}`)).json();
      if (answer !== EXPECTED) return { answer: `/${route}: ${answer}` };
    }
    const to = encodeURIComponent(`${server.address}results`);
    return { answer: await open('chromium', `http://localhost:${port}/?to=${to}`, { posted: server.posted }) };
  } finally {
    child.removeAllListeners('exit');
    child.kill();
    server.stop();
  }
};

/** What wrangler would upload, in workerd by miniflare, which lies with the other runtimes: a request for each picture. */
async function wrangler(name) {
  const folder = project(name, ENTRY.plain);
  const command = [runtimes('node_modules/wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out'];
  await run(NODE, command, join(folder, 'cloudflare'));
  const target = elsewhere(folder, 'cloudflare/out');
  const labels = [];
  for (const picture of Object.keys(PICTURES)) labels.push(await run(NODE, [runtimes('workerd.js'), '.', picture], target)); // biome-ignore format: one line
  return { answer: labels.join(' '), folder: target };
}

const viteBuild = (entry, script, version) =>
  webCase(entry, 'dist', (folder) => {
    olderVite(folder);
    html(folder, script);
    return vite(folder, version);
  });

export const BUNDLED = {
  'vite dev': viteDev('plain', 'page.js'),
  'vite dev, worker': viteDev('plain', 'page-of-worker.js'),
  'vite dev, edgeclip/worker': viteDev('worker', 'page.js'),
  'vite build': webCase('plain', 'dist', vite),
  'vite build, worker': webCase('plain', 'dist', (folder) => {
    html(folder, 'page-of-worker.js');
    return vite(folder);
  }),
  'vite build, edgeclip/worker': webCase('worker', 'dist', vite),
  'vite build, edgeclip/search': webCase('plain', 'dist', (folder) => {
    html(folder, 'page-search.js');
    return vite(folder);
  }),
  'vite 6 dev': viteDev('plain', 'page.js', 'vite-6'),
  'vite 6 dev, edgeclip/worker': viteDev('worker', 'page.js', 'vite-6'),
  'vite 6 build, worker': viteBuild('plain', 'page-of-worker.js', 'vite-6'),
  'vite 7 dev': viteDev('plain', 'page.js', 'vite-7'),
  'vite 7 dev, edgeclip/worker': viteDev('worker', 'page.js', 'vite-7'),
  'vite 7 build, worker': viteBuild('plain', 'page-of-worker.js', 'vite-7'),
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
  'webpack web, edgeclip/search': webCase('plain', 'dist', async (folder) => {
    await webpack(folder, { entry: './page-search.js' });
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
  'esbuild web, edgeclip/search': webCase('bundle', 'dist', async (folder) => {
    await esbuild(folder, 'page-search.js', '--outdir=dist', '--format=esm', '--minify');
    html(join(folder, 'dist'), 'page-search.js');
  }),
  'esbuild node, edgeclip/search': nodeCase('bundle', 'dist/node.mjs', (folder) =>
    esbuild(folder, 'node-search.js', '--outfile=dist/node.mjs', '--platform=node', '--format=esm'),
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
  next: next('turbopack'),
  'next, webpack': next('webpack'),
  wrangler,
};
