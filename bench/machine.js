// Where a run was made: on top of every JSON file, and of bench/RESULTS.md.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';

export function machine() {
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown processor',
    processors: os.availableParallelism(),
    platform: `${os.platform()} ${os.arch()}`,
    node: process.version,
    v8: process.versions.v8,
    version: JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version,
    commit: commit(new URL('../', import.meta.url)) ?? 'unknown',
  };
}

/** The commit of the clone at `root`, or undefined where there is none. @param {URL | string} root */
export function commit(root) {
  const git = (/** @type {string[]} */ ...words) =>
    execFileSync('git', ['-C', fileURLToPath(root), ...words], { encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') ? ' with changes' : ''}`;
  } catch {
    return undefined;
  }
}
