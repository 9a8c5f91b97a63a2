// The program with the package as it is installed: by Yarn without node_modules, in test runners (B11), in a function's folder, by
// require(), and embedded by `deno compile`.
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENTRY, EXPECTED, inside, NODE, pictures, project, run, tarball } from './project.js';
import { needs } from './readme.js';

/** A test runner's run of consumer.test.js; both report alike. `prepare` is given the folder first. */
const testRunner = (command, prepare) => async (name) => {
  const folder = project(name, ENTRY.plain);
  pictures(folder);
  prepare?.(folder);
  const { numPassedTests, numFailedTests } = JSON.parse(await run(NODE, command, folder));
  return { answer: numPassedTests === 1 && numFailedTests === 0 ? EXPECTED : `${numFailedTests} failed` };
};
/** The command of README.md, with this version as the project's own. */
const jest = (version) => {
  const [, ...command] = needs('Jest').split(' ');
  return testRunner([...command, '--rootDir=.', '--json'], (folder) =>
    symlinkSync(inside(version), join(folder, 'node_modules/jest')),
  );
};

/** Yarn's Plug'n'Play: packages stay in their archives, and there is no node_modules. */
async function plugAndPlay(name) {
  const folder = project(name, ENTRY.plain);
  rmSync(join(folder, 'node_modules'), { recursive: true });
  pictures(folder);
  copyFileSync(tarball, join(folder, 'edgeclip.tgz'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  writeFileSync(join(folder, '.yarnrc.yml'), 'nodeLinker: pnp\nenableGlobalCache: false\nenableTelemetry: false\n');
  const yarn = inside('@yarnpkg/cli-dist/bin/yarn.js');
  await run(NODE, [yarn, 'add', './edgeclip.tgz'], folder);
  if (readdirSync(folder).includes('node_modules')) return { answer: 'Yarn made a node_modules' };
  return { answer: await run(NODE, [yarn, 'node', 'node.js'], folder) };
}

/** A function's folder as it is zipped: read only, the working directory elsewhere, no threads. */
async function lambda(name) {
  const folder = project(name, ENTRY.plain);
  pictures(folder);
  const bytes = readdirSync(folder, { recursive: true })
    .map((path) => statSync(join(folder, path)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
  if (bytes > 250e6) return { answer: `${bytes} bytes are more than AWS takes` };
  const caller = 'import(process.argv[1]).then(({ handler }) => handler()).then((labels) => console.log(labels));';
  const flags = ['--permission', `--allow-fs-read=${folder}`, '--no-warnings', '-e', caller];
  return { answer: await run(NODE, [...flags, join(folder, 'lambda.mjs')], '/') };
}

async function required(name) {
  const folder = project(name, ENTRY.plain);
  pictures(folder);
  return { answer: await run(NODE, ['--no-warnings', 'required.cjs'], folder) };
}

/**
 * Deno downloads the program that it appends the embedded files to. What can be tried without: that it embeds all files that
 * are read at run time. Deno itself stands in for that program, so the result does not start.
 */
async function denoCompile(name) {
  const folder = project(name, ENTRY.plain);
  const deno = inside('@deno/linux-x64-glibc/deno');
  const args = ['compile', '--quiet', '--no-check', '--allow-read', '--output', 'program', 'node.js'];
  await run('env', [`DENORT_BIN=${deno}`, 'DENO_NO_UPDATE_CHECK=1', deno, ...args], folder);
  const program = readFileSync(join(folder, 'program'));
  const home = join(folder, 'node_modules/edgeclip');
  const dist = readdirSync(join(home, 'dist')).filter((file) => file.endsWith('.wasm'));
  const weights = readdirSync(join(home, 'weights/default'));
  const files = [...dist.map((file) => `dist/${file}`), ...weights.map((file) => `weights/default/${file}`)];
  const missing = files.filter((file) => !program.includes(readFileSync(join(home, file))));
  return { answer: missing.length === 0 ? EXPECTED : `not embedded: ${missing.join(', ')}` };
}

export const INSTALLED = {
  'jest 30': jest('jest'),
  'jest 29': jest('jest-29'),
  vitest: testRunner([inside('vitest/vitest.mjs'), 'run', '--globals', '--reporter=json']),
  "yarn plug'n'play": plugAndPlay,
  'a read-only folder': lambda,
  'require()': required,
  'deno compile, embedding': denoCompile,
};
