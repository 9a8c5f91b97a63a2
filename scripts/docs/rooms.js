// Writes the tables of files in docs/architecture.md: under a heading that names a folder, every source file in it with the
// first sentence of its header comment. `npm run docs` runs it; with --check it writes nothing and fails if a table is stale.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const root = new URL('../../', import.meta.url);
const page = new URL('docs/architecture.md', root);
/** Longer sentences are cut at a colon. */
const LONGEST = 130;

const before = readFileSync(page, 'utf8');
const folders = new Set();
const without = /** @type {string[]} */ ([]);
const after = before.replace(/^(##+ `([\w/-]+)\/`.*\n[^#]*?)(\n\| file \|.*\n(?:\|.*\n)*)/gm, (_, head, folder) => {
  folders.add(folder);
  return `${head}\n${table(folder)}`;
});

const missing = sourceFolders().filter((folder) => !folders.has(folder));
if (without.length > 0) {
  console.error(`docs/architecture.md would have an empty row: no comment at the beginning of ${without.join(', ')}`);
  process.exitCode = 1;
} else if (missing.length > 0) {
  console.error(`docs/architecture.md has no heading and table for ${missing.join(', ')}`);
  process.exitCode = 1;
} else if (!process.argv.includes('--check')) {
  writeFileSync(page, after);
} else if (after !== before) {
  console.error('docs/architecture.md does not list the source files as they are: npm run docs');
  process.exitCode = 1;
}

function table(/** @type {string} */ folder) {
  const files = readdirSync(new URL(`${folder}/`, root))
    .filter((name) => name.endsWith('.ts'))
    .sort();
  const rows = files.map((name) => `| \`${basename(name, '.ts')}\` | ${sentence(`${folder}/${name}`)} |\n`);
  return `| file | |\n|---|---|\n${rows.join('')}`;
}

/** The first sentence of a file's header comment. */
function sentence(/** @type {string} */ path) {
  const text = readFileSync(new URL(path, root), 'utf8').replace(/^#!.*\n/, '');
  const block = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1];
  const lines = block?.replace(/^\s*\* ?/gm, '') ?? /^(?:\/\/.*\n)+/.exec(text)?.[0].replace(/^\/\/ ?/gm, '') ?? '';
  const paragraph = lines
    .trim()
    .split(/\n\s*\n/)[0]
    .replace(/\s+/g, ' ');
  if (paragraph === '') without.push(path);
  let first = /^.*?[.](?= |$)(?<!\be\.g\.|\bal\.|\bvs\.)(?! [a-z\d])/.exec(paragraph)?.[0] ?? paragraph;
  if (first.length > LONGEST) first = /^.{30,}?(?=: )/.exec(first)?.[0] ?? first;
  return first.replace(/[.:]$/, '').replaceAll('|', '\\|');
}

function sourceFolders() {
  return ['assembly', 'src'].flatMap((top) => {
    const entries = readdirSync(new URL(`${top}/`, root), { recursive: true, withFileTypes: true });
    const inside = entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => entry.parentPath);
    return [...new Set(inside)].map((path) =>
      path.replaceAll('\\', '/').replace(/\/$/, '').slice(new URL(root).pathname.length),
    );
  });
}
