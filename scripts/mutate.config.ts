/** The tests with one mutant in the sources (scripts/mutate.ts): it is put in while they are read, no file is changed. */
import { readFileSync } from 'node:fs';
import type { Plugin, TestProjectInlineConfiguration, ViteUserConfig } from 'vitest/config';
import base from '../vitest.config.ts';
import { applyMutant, type Mutant } from './mutants.ts';

/** What the environment variable `MUTANT` holds, as JSON. */
export interface PlacedMutant extends Mutant {
  /** Absolute path. */
  readonly path: string;
}

const { MUTANT, MUTANT_TESTS } = process.env;
const mutant: PlacedMutant | undefined = MUTANT ? JSON.parse(MUTANT) : undefined;

const plugin: Plugin = {
  name: 'mutant',
  enforce: 'pre',
  load(id) {
    if (mutant && id.split('?')[0] === mutant.path) return applyMutant(readFileSync(mutant.path, 'utf8'), mutant);
    return undefined;
  },
};

const projects = (base.test?.projects ?? []) as TestProjectInlineConfiguration[];
const fast = projects.find(({ test }) => test?.name === 'fast')!;
const include = MUTANT_TESTS
  ? [MUTANT_TESTS.endsWith('.ts') ? MUTANT_TESTS : `${MUTANT_TESTS.replace(/\/$/, '')}/**/*.test.ts`]
  : fast.test!.include!;

const config: ViteUserConfig = {
  ...base,
  plugins: [plugin],
  test: { ...base.test, projects: [{ ...fast, test: { ...fast.test, include } }] },
};
export default config;
