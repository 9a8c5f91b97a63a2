/**
 * What the built package reads at run time, as tools that bundle must see it: each file by its own literal address, none made
 * while a module starts (`import.meta.url` is undefined in some runtimes), and nothing guessed from the host's globals.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'rolldown/parseAst';
import { expect, it } from 'vitest';

const DIST = new URL('../../dist/', import.meta.url);
const scripts = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.js') && !name.startsWith('embedded'))
  .map((name) => ({ name, text: readFileSync(new URL(name, DIST), 'utf8') }));

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** The uses of `import.meta` in a script: each with the nodes around it, the nearest first. */
function uses(text: string): Node[][] {
  const found: Node[][] = [];
  const walk = (value: unknown, around: Node[]) => {
    if (Array.isArray(value)) for (const item of value) walk(item, around);
    if (typeof (value as Node)?.type !== 'string') return;
    const node = value as Node;
    if (node.type === 'MetaProperty' && (node.meta as Node).name === 'import') found.push(around);
    for (const field of Object.values(node)) walk(field, [node, ...around]);
  };
  walk(parseAst(text), []);
  return found;
}

const isFunction = ({ type }: Node) => /Function/.test(type);
const isLiteral = (value: unknown): value is Node & { value: string } =>
  (value as Node)?.type === 'Literal' && typeof (value as Node).value === 'string';

/** What is wrong with a script's addresses; its files are looked up beside it. */
function faults({ name, text }: { name: string; text: string }): string[] {
  const found = /\btypeof process\b/.test(text) ? [`${name}: typeof process`] : [];
  if (!text.includes('import.meta')) return found;
  for (const [member, call, ...outer] of uses(text) as unknown as [Node, Node, ...Node[]][]) {
    const property = (member.property as Node | undefined)?.name;
    const [address] = (call.arguments ?? []) as Node[];
    const callee = (call.callee as Node | undefined)?.name;
    const say = (what: string) => found.push(`${name}: ${what}`);
    if (!outer.some(isFunction)) say(`import.meta.${property} while the module starts`);
    // Where packages are looked for: no file of ours.
    if (property === 'dirname' || (property === 'url' && callee === 'createRequire')) continue;
    if (property !== 'url' || callee !== 'URL' || call.type !== 'NewExpression') say(`import.meta.${property}`);
    else if (!isLiteral(address)) say('an address that is not a literal');
    else if (!statSync(new URL(address.value, new URL(name, DIST)), { throwIfNoEntry: false })?.isFile())
      say(`"${address.value}" is not a file`);
  }
  return found;
}

it('each file has a literal address, made when it is needed', () => {
  expect(scripts.length).toBeGreaterThan(100);
  expect(scripts.flatMap(faults)).toEqual([]);
});

it('and those that are read where the package is installed are found', () => {
  const named = scripts.flatMap(({ name, text }) =>
    [...text.matchAll(/new URL\("([^"]+)", import\.meta\.url\)/g)].map(([, address]) =>
      fileURLToPath(new URL(address!, new URL(name, DIST))),
    ),
  );
  const root = fileURLToPath(new URL('..', DIST));
  const files = ['package.json', 'weights/default/image.bin', 'dist/kernels-simd.wasm', 'dist/clip-worker.js', 'dist/page/index.html']; // biome-ignore format: one line
  expect(named).toEqual(expect.arrayContaining(files.map((path) => root + path)));
});

it.each([
  ['a folder', '() => new URL("../weights/default", import.meta.url)', '"../weights/default" is not a file'],
  ['a missing file', '() => new URL("./no-such.wasm", import.meta.url)', '"./no-such.wasm" is not a file'],
  ['a name put together', '(name) => new URL("./" + name, import.meta.url)', 'an address that is not a literal'],
  ['at the start', 'new URL("./search.js", import.meta.url)', 'import.meta.url while the module starts'],
  ['as a path', '() => import.meta.url.replace("file://", "")', 'import.meta.url'],
  ['resolve', '() => import.meta.resolve("edgeclip")', 'import.meta.resolve'],
  ['the host', 'typeof process === "object"', 'typeof process'],
])('%s would be found', (_, text, fault) => {
  expect(faults({ name: 'index.js', text })).toEqual([`index.js: ${fault}`]);
});

it.each(['clip-worker.js', 'browser/clip-worker.js'])(
  'nothing that %s loads names it, or bundlers go in circles',
  (worker) => {
    const reached = new Set<string>();
    const visit = (name: string) => {
      if (reached.has(name)) return;
      reached.add(name);
      const text = readFileSync(new URL(name, DIST), 'utf8');
      expect(text.includes(`clip-worker.js`), name).toBe(false);
      for (const [, path] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+\.js)"/g)) {
        visit(new URL(path!, new URL(name, DIST)).href.slice(DIST.href.length));
      }
    };
    visit(worker);
    expect(reached.size).toBeGreaterThan(10);
  },
);
