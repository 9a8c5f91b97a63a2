/** Dependencies between the sources go one way (docs/architecture.md): by files without a cycle, by folders only downward. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/**
 * The folders of src/, each of which imports only from those before it; '' is the package itself, the files of src/. Its base
 * (errors, bytes, options and the like, which import from no folder) is there for all.
 */
const FOLDERS = [
  'engine',
  'image',
  'text',
  'picture-threads',
  'model',
  'weights',
  'hub',
  '',
  'eval',
  'search',
  'batch',
  'adapters',
  'worker',
  'serve',
  'cli',
];
/** Implements one interface for all of them (`#platform`), so it knows what is above those who call it. */
const PLATFORM = 'platform';

const SRC = new URL('../../src/', import.meta.url);
const folderOf = (file: string) => (file.includes('/') ? file.split('/')[0]! : '');

/** What each file imports from other files: as it starts, later by `import()`, or for types alone. */
const imports = new Map<string, readonly string[]>();
for (const name of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
  const file = name.replaceAll('\\', '/');
  if (!file.endsWith('.ts')) continue;
  const specifiers = readFileSync(new URL(file, SRC), 'utf8').matchAll(
    /(?:^(?:import|export)\s(?:[^'";]*\bfrom\s)?|\bimport\()\s*'(\.[^']+)'/gm,
  );
  const targets = Array.from(specifiers, ([, specifier]) => new URL(specifier!, new URL(file, SRC)));
  imports.set(
    file,
    targets
      .filter((target) => target.href.startsWith(SRC.href) && existsSync(target))
      .map(({ href }) => href.slice(SRC.href.length)),
  );
}

/** The files that a file needs, by whatever way. */
function reached(file: string): Set<string> {
  const found = new Set<string>();
  const visit = (from: string) => {
    for (const to of imports.get(from) ?? []) {
      if (found.has(to)) continue;
      found.add(to);
      visit(to);
    }
  };
  visit(file);
  return found;
}

it('every folder has its place', () => {
  const folders = new Set([...imports.keys()].map(folderOf));
  expect([...folders].sort()).toEqual([...FOLDERS, PLATFORM].sort());
});

it('no file needs itself', () => {
  expect([...imports.values()].flat().length).toBeGreaterThan(1000); // the imports were found
  expect([...imports.keys()].filter((file) => reached(file).has(file))).toEqual([]);
});

it('a folder imports only from those below it', () => {
  const isBase = (file: string) => folderOf(file) === '' && [...reached(file)].every((other) => folderOf(other) === '');
  const upward: string[] = [];
  for (const [file, targets] of imports) {
    for (const target of targets) {
      const [from, to] = [folderOf(file), folderOf(target)];
      if (from === to || from === PLATFORM || to === PLATFORM || isBase(target)) continue;
      if (FOLDERS.indexOf(to) > FOLDERS.indexOf(from)) upward.push(`${file} imports ${target}`);
    }
  }
  expect(upward).toEqual([]);
});
