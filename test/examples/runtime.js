// Where the runtimes are that test/runtimes installs, and how a program is run with Node 22 as the default one.
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const inside = (path) => fileURLToPath(new URL(`../runtimes/node_modules/${path}`, import.meta.url));
export const node = inside('node-22/bin/node');
export const deno = inside('@deno/linux-x64-glibc/deno');
export const bun = inside('@oven/bun-linux-x64/bin/bun');

export const packageVersion = (name) => JSON.parse(readFileSync(inside(`${name}/package.json`))).version;
export const versionOf = (command) => execFileSync(command, ['--version'], { encoding: 'utf8' }).split('\n')[0].trim();

export const environment = {
  ...process.env,
  PATH: `${dirname(node)}:${process.env.PATH}`,
  CI: '1',
  WRANGLER_SEND_METRICS: 'false',
  DENO_NO_UPDATE_CHECK: '1',
  NEXT_TELEMETRY_DISABLED: '1',
};

/** What the program prints. */
export async function run(command, args, cwd, env = {}) {
  const options = { cwd, env: { ...environment, ...env }, timeout: 600_000, maxBuffer: 1 << 26 };
  const running = promisify(execFile)(command, args, options);
  running.child.stdin.end();
  return (await running).stdout;
}
