// npm run check: what .ci/run checks, as far as it fits into two minutes: build, lint, types, the quick tests, sizes. Goes on
// after a failure and says at the end what failed. What does not need the build runs beside it.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

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
const BESIDE = [
  ['lint', 'npm run --silent lint'],
  ['types', 'npm run --silent typecheck'],
];
const STEPS = [
  ['quick tests', `npx vitest run --project fast --maxWorkers 100% --reporter=dot ${QUICK.join(' ')}`],
  ['sizes', 'npm run --silent size'],
  ['package contents', 'npm run --silent pack:check'],
];

const failed = [];

/** Runs one step; its output comes at once, or, of one beside another, when it is done. */
async function run([name, command], beside = false) {
  if (!beside) console.log(`\n== ${name}`);
  const start = performance.now();
  const child = spawn(`${command} 2>&1`, { shell: true, stdio: ['ignore', beside ? 'pipe' : 'inherit', 'inherit'] });
  const done = new Promise((resolve) => child.once('close', resolve));
  const output = beside ? await text(child.stdout) : undefined;
  const passed = (await done) === 0;
  if (beside) console.log(`\n== ${name}\n${output}`);
  console.log(`${name}: ${passed ? 'passed' : 'FAILED'}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (!passed) failed.push(name);
  return passed;
}

const beside = (async () => {
  for (const step of BESIDE) await run(step, true);
})();
const built = await run(['build', 'npm run --silent build']);
await beside;
if (built) for (const step of STEPS) await run(step); // they need the kernels
console.log(failed.length === 0 ? '\nall passed' : `\nfailed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
