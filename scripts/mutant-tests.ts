/**
 * The tests with one mutant in a source file (scripts/mutate.ts): a process that keeps vitest and the sources it has transformed,
 * and runs the tests of the file again for each mutant that its parent sends. The mutant is put in while the file is read.
 *
 *     mutant-tests.ts FILE [TESTS...]
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestProjectInlineConfiguration } from 'vitest/config';
import { createVitest, type Reporter } from 'vitest/node';
import base from '../vitest.config.ts';
import { applyMutant, type Mutant } from './mutants.ts';

/** What comes of one run. */
export interface TestRun {
  readonly outcome: 'killed' | 'survived' | 'untested';
  readonly seconds: number;
}

const root = resolve(import.meta.dirname, '..');
const [file = '', ...tests] = process.argv.slice(2);
const path = join(root, file);
let mutant: Mutant | undefined;
let passed = 0;
let failed = 0;

const source = {
  name: 'mutant',
  enforce: 'pre',
  load(id: string) {
    if (mutant && id.split('?')[0] === path) return applyMutant(readFileSync(path, 'utf8'), mutant);
    return undefined;
  },
} as const;

const counter: Reporter = {
  onTestCaseResult(test) {
    if (test.result().state === 'passed') passed++;
    if (test.result().state === 'failed') failed++;
  },
  onTestModuleEnd(module) {
    if (module.state() === 'failed') failed++; // also what cannot be imported, which has no tests
  },
  onTestRunEnd(_, errors) {
    failed += errors.length;
  },
};

const projects = (base.test?.projects ?? []) as TestProjectInlineConfiguration[];
const fast = projects.find(({ test }) => test?.name === 'fast')!.test!;
const include = tests.map((name) => (name.endsWith('.ts') ? name : `${name.replace(/\/$/, '')}/**/*.test.ts`));
const chosen = { ...fast, ...(tests.length > 0 && { include, exclude: ['**/node_modules/**'] }) };

const vitest = await createVitest(
  'test',
  { config: false, root, watch: false, bail: 1, related: [path], reporters: [counter], passWithNoTests: true },
  {
    root,
    test: { projects: [{ resolve: base.resolve!, ssr: base.ssr!, plugins: [source], test: { ...chosen, root } }] },
  },
);
const specifications = await vitest.getRelevantTestSpecifications();

process.on('disconnect', () => process.exit());
process.on('message', async (next: Mutant | 'unchanged') => {
  [mutant, passed, failed] = [next === 'unchanged' ? undefined : next, 0, 0];
  vitest.invalidateFile(path);
  const start = performance.now();
  await vitest.runTestSpecifications(specifications);
  const outcome = failed > 0 ? 'killed' : passed > 0 ? 'survived' : 'untested';
  process.send!({ outcome, seconds: (performance.now() - start) / 1000 } satisfies TestRun);
});
