// Projects of a user: the packed package installed, a small program, and what was built of it moved to another folder.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { open, serve } from '../browser/browser.js';
import { consumers } from '../runtimes/consumer.js';
import { needs } from './readme.js';

export const EXPECTED = 'cat rocket cat';
const TIMEOUT_MS = 600_000;
export const inside = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const PROGRAMS = fileURLToPath(new URL('programs/', import.meta.url));
const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));
export const PICTURES = {
  'cat.png': 'photos/cat.png',
  'rocket.jpg': 'photos/rocket.jpg',
  'picture.webp': 'preprocess/inputs/webp_lossless_320x256.webp',
};
export const NODE = inside('node-22/bin/node');
export const BUN = inside('@oven/bun-linux-x64/bin/bun');
export const ENTRY = {
  plain: 'edgeclip',
  bundle: /^import \{ loadClip \} from '(.+)'$/.exec(needs('esbuild, .+'))[1],
  worker: 'edgeclip/worker',
};

const { folder: consumer, tarball, remove } = consumers();

export { consumer, remove, tarball };

export async function run(command, args, cwd) {
  const PATH = `${dirname(NODE)}:${process.env.PATH}`;
  const env = { ...process.env, PATH, CI: '1', NEXT_TELEMETRY_DISABLED: '1', WRANGLER_SEND_METRICS: 'false' };
  const running = promisify(execFile)(command, args, { cwd, env, timeout: TIMEOUT_MS, maxBuffer: 1 << 26 });
  running.child.stdin.end();
  const { stdout } = await running;
  return stdout.trim();
}

export function pictures(folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, path] of Object.entries(PICTURES)) cpSync(join(GOLDEN, path), join(folder, name));
}

/** A consumer's folder with the programs, importing this entry, and the bundlers beside it as a user has them. */
export function project(name, entry) {
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
export function elsewhere(folder, output) {
  const target = join(dirname(folder), `${folder.split('/').at(-1)}-elsewhere`, 'app');
  mkdirSync(dirname(target), { recursive: true });
  renameSync(join(folder, output), target);
  renameSync(join(folder, 'node_modules'), join(folder, 'not-there'));
  pictures(target);
  return target;
}

export async function inBrowser(folder, page = 'index.html') {
  const server = await serve(folder);
  try {
    return await open('chromium', server.address + page, server);
  } finally {
    server.stop();
  }
}

/** A page without a charset: a classic script is read as Windows-1252 there. */
export const html = (folder, script, type = 'module') =>
  writeFileSync(join(folder, 'index.html'), `<!doctype html><title>t</title><script type="${type}" src="./${script}"></script>`); // biome-ignore format: one line

/** For Node: builds, and runs what came out. */
export const nodeCase =
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
export const webCase = (entry, output, build) => async (name) => {
  const folder = project(name, ENTRY[entry]);
  await build(folder);
  const target = elsewhere(folder, output);
  return { answer: await inBrowser(target), folder: target };
};
