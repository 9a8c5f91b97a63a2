// npm run check: what .ci/run checks, as far as it fits into two minutes: build, lint, types, the quick tests, sizes. Goes on
// after a failure and says at the end what failed.
import { spawnSync } from 'node:child_process';

/** Folders and files of the fast project that give the most for their time. */
const QUICK = [
  'test/docs',
  'test/text',
  'test/weights',
  'test/engine',
  'test/image',
  'test/model/tiny',
  'test/model/config',
  'test/kernels/identity',
  'test/api/images',
  'test/api/texts',
  'test/api/classifier',
  'test/threads/bits',
];
const STEPS = [
  ['build', 'npm run --silent build'],
  ['lint', 'npm run --silent lint'],
  ['types', 'npm run --silent typecheck'],
  ['quick tests', `npx vitest run --project fast --reporter=dot ${QUICK.join(' ')}`],
  ['sizes', 'npm run --silent size'],
  ['package contents', 'npm run --silent pack:check'],
];

const failed = [];
for (const [name, command] of STEPS) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit' });
  console.log(`${name}: ${status === 0 ? 'passed' : 'FAILED'}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (status !== 0) failed.push(name);
  if (name === 'build' && status !== 0) break; // the rest needs the kernels
}
console.log(failed.length === 0 ? '\nall passed' : `\nfailed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
