// The runtimes of test/runtimes, for the suites that share them: `npm ci` there, unless all of them are installed.
import { spawnSync } from 'node:child_process';

const npm = (...args) => spawnSync('npm', [...args, '--prefix', 'test/runtimes'], { stdio: ['ignore', 'ignore', 'inherit'] }).status; // biome-ignore format: one line
if (npm('ls', '--silent') !== 0) process.exitCode = npm('ci', '--no-audit', '--no-fund', '--loglevel', 'error') ?? 1;
