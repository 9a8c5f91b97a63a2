/**
 * Mutation tests: changes the sources in small ways, one at a time, and reports the changes that no test notices.
 *
 *     npm run mutate -- src/weights src/engine/numerics.ts [--limit 50] [--seed 1] [--tests test/weights] [--report FILE]
 *
 * `--limit` takes this many of all mutants, chosen by `--seed`. `--tests` runs only the tests of a folder or file, `--report` is
 * build/mutants.json by default. A mutant is killed if a test of the project fast that imports its file fails, or takes more than
 * three times as long as without. Sources stay as they are, also when this is interrupted.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { TestRun } from './mutant-tests.ts';
import { type Mutant, mutantsOf } from './mutants.ts';

type Run = TestRun | { readonly outcome: 'timed out'; readonly seconds: number };
type Outcome = Run['outcome'];

interface Result extends Mutant {
  readonly file: string;
  readonly line: number;
  readonly original: string;
  readonly outcome: Outcome;
  readonly seconds: number;
}

const root = resolve(import.meta.dirname, '..');
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: 'string' },
    seed: { type: 'string', default: '1' },
    tests: { type: 'string', multiple: true, default: [] },
    report: { type: 'string', default: 'build/mutants.json' },
  },
});
const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : Number(options.limit);
const seed = Number(options.seed);
if (positionals.length === 0 || !(limit >= 1) || !Number.isInteger(seed)) {
  console.error(
    'usage: npm run mutate -- FILE_OR_FOLDER... [--limit N] [--seed S] [--tests FOLDER_OR_FILE]... [--report FILE]',
  );
  process.exit(2);
}

/** The process that keeps the tests of a file (mutant-tests.ts), and an error when it ends by itself. */
let tests: { readonly child: ChildProcess; readonly died: Promise<never> } | undefined;

function startTests(file: string) {
  const args = [...process.execArgv, join(root, 'scripts/mutant-tests.ts'), file, ...options.tests];
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
  const child = spawn(process.execPath, args, { cwd: root, detached: true, stdio: [...stdio] }); // a group: vitest has workers
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the process of the tests ended: ${signal ?? code}`);
  });
  died.catch(() => {}); // also when it is stopped
  return { child, died };
}

const stop = () => {
  if (tests?.child.pid !== undefined) process.kill(-tests.child.pid, 'SIGKILL');
  tests = undefined;
};

/** Runs the tests that import the file, until the first fails, with the mutant in it. */
async function runTests(file: string, mutant?: Mutant, timeoutMs = 30 * 60_000): Promise<Run> {
  tests ??= startTests(file);
  const { child, died } = tests;
  const end = new AbortController();
  const late = setTimeout(timeoutMs, { outcome: 'timed out', seconds: timeoutMs / 1000 } as const, {
    signal: end.signal,
  });
  late.catch(() => {}); // aborted
  child.send(mutant ?? 'unchanged');
  const run = await Promise.race([once(child, 'message').then(([run]) => run as TestRun), died, late]);
  end.abort();
  if (run.outcome === 'timed out') stop(); // an endless loop does not end by itself
  return run;
}

/** The TypeScript sources among files and in folders. */
function sources(paths: readonly string[]): string[] {
  const files = paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name));
  });
  return files
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => relative(root, resolve(name)))
    .sort();
}

/** Fisher and Yates' shuffle by mulberry32. */
function shuffle<T>(list: T[], seed: number): T[] {
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

const results: Result[] = [];

function report(total: number): void {
  const count = (outcome: Outcome) => results.filter((result) => result.outcome === outcome).length;
  const summary = {
    mutants: total,
    tried: results.length,
    killed: count('killed'),
    timedOut: count('timed out'),
    survived: count('survived'),
    untested: count('untested'),
  };
  const survivors = results.filter(({ outcome }) => outcome === 'survived' || outcome === 'untested');
  for (const result of survivors) console.log(describe(result));
  console.log(JSON.stringify(summary));
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const file = resolve(root, options.report);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ commit, seed, paths: positionals, summary, results }, undefined, 2)}\n`);
  console.log(`report: ${relative(process.cwd(), file)}`);
}

function describe({ file, line, original, replacement, mutator, outcome, seconds }: Result): string {
  const short = (text: string) => text.replace(/\s+/g, ' ').slice(0, 60);
  return `${outcome.padEnd(9)} ${file}:${line}  ${mutator}: ${short(original)}  ->  ${short(replacement)}  (${seconds.toFixed(1)} s)`;
}

const files = sources(positionals);
const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
const all = files.flatMap((file) => mutantsOf(texts.get(file)!).map((mutant) => ({ file, mutant })));
const chosen = shuffle([...all], seed)
  .slice(0, limit)
  .sort((a, b) => a.file.localeCompare(b.file) || a.mutant.start - b.mutant.start);
console.log(`${chosen.length} of ${all.length} mutants in ${files.length} files`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop();
    report(all.length);
    process.exit(130);
  });
}

const plain = new Map<string, number>();
for (const { file, mutant } of chosen) {
  if (!plain.has(file)) {
    stop(); // the tests of the file before
    const { outcome, seconds } = await runTests(file);
    if (outcome === 'killed' || outcome === 'timed out') {
      console.error(`the tests of ${file} fail without a mutant`);
      process.exit(1);
    }
    plain.set(file, seconds);
  }
  const outcome = await runTests(file, mutant, 3000 * plain.get(file)! + 10_000);
  const text = texts.get(file)!;
  const line = text.slice(0, mutant.start).split('\n').length;
  const result = { file, line, original: text.slice(mutant.start, mutant.end), ...mutant, ...outcome };
  results.push(result);
  console.log(describe(result));
}
stop();
report(all.length);
