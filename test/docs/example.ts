/**
 * Examples in docstrings and Markdown, run as a reader would paste them: from the folder of the repository, with the sources as
 * 'edgeclip'. A line `EXPRESSION // VALUE` or `console.log(EXPRESSION); // VALUE` is checked: VALUE as `util.inspect` prints
 * it, where `…` stands for any text. A comment that is not a value is not checked.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { transformSync } from 'rolldown/utils';
import { expect } from 'vitest';

export interface Example {
  /** `src/clip.ts:120` */
  readonly place: string;
  readonly code: string;
}

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

/** Every `@example` of the sources. Code may stand in a fence; a fence of another language than js or ts is text. */
export function docstringExamples(): Example[] {
  const examples: Example[] = [];
  for (const path of sourceFiles()) {
    const text = read(path);
    for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
      const lines = comment[0].slice(3, -2).split('\n').map((line) => line.replace(/^\s*\* ?/, '')); // biome-ignore format: one step
      for (const [i, line] of lines.entries()) {
        if (!/^\s*@example\b/.test(line)) continue;
        const end = lines.findIndex((other, j) => j > i && /^\s*@\w+/.test(other));
        const body = lines.slice(i + 1, end < 0 ? undefined : end).join('\n');
        const place = `${path}:${text.slice(0, comment.index).split('\n').length + i}`;
        if (body.includes('```')) {
          for (const code of fences(body)) examples.push({ place, code });
        } else examples.push({ place, code: body });
      }
    }
  }
  return examples;
}

/** Every js block of a Markdown file. */
export function markdownExamples(path: string): Example[] {
  return fences(read(path)).map((code, i) => ({ place: `${path}, block ${i + 1}`, code: atHome(code) }));
}

/** What is installed at a reader's is the clone itself here. */
const atHome = (code: string) => code.replaceAll('node_modules/edgeclip/', '');

const fences = (text: string) => [...text.matchAll(/^ *```(?:js|ts)\n([\s\S]*?)^ *```/gm)].map(([, code]) => code!);

function sourceFiles(): string[] {
  const names = readdirSync(new URL('src', ROOT), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.ts')).map((name) => `src/${name.replaceAll('\\', '/')}`).sort(); // biome-ignore format: one step
}

/** Which source file exports a name: an example of an inner function may use its neighbors without importing them. */
let exporters: Map<string, string> | undefined;
function exporterOf(name: string): string | undefined {
  exporters ??= new Map(
    sourceFiles().flatMap((path) =>
      [...read(path).matchAll(/^export (?:async )?(?:function\*?|class|const) (\w+)/gm)].map(([, name]) => [
        name!,
        path,
      ]),
    ),
  );
  return exporters.get(name);
}

const sources = (path: string): Promise<Record<string, unknown>> =>
  import(/* @vite-ignore */ fileURLToPath(new URL(path, ROOT)));
/** Where the package's entries are in the sources. */
const ENTRIES: Readonly<Record<string, string>> = {
  edgeclip: 'src/index.ts',
  'edgeclip/worker': 'src/worker/index.ts',
  'edgeclip/tokenizer': 'src/text/tokenizer.ts',
  'edgeclip/search': 'src/search/index.ts',
  'edgeclip/serve': 'src/serve/index.ts',
  'edgeclip/langchain': 'src/adapters/langchain.ts',
  'edgeclip/ai-sdk': 'src/adapters/ai-sdk.ts',
  'edgeclip/transformers': 'src/adapters/transformers.ts',
};
const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

/** @param given what an example may use without making it, e.g. a loaded `clip` */
export async function run({ place, code }: Example, given: Record<string, () => unknown>): Promise<void> {
  const [path] = place.split(':') as [string];
  const javascript = transformSync('example.ts', `${checked(code)}\nexport {};`, {
    lang: 'ts',
    typescript: { onlyRemoveTypeImports: true },
  });
  if (javascript.errors.length > 0) throw new Error(`${place}: ${javascript.errors[0]!.message}`);
  const body = imported(javascript.code.replace(/^export \{\};?$/m, ''));
  const patterns = [...body.matchAll(/\b(?:const|let|class|function\*?) (\{[^=]*\}|\[[^=]*\]|\w+)/g)].map(
    ([, pattern]) => pattern!,
  );
  const declared = new Set(patterns.flatMap((pattern) => pattern.match(/\w+/g) ?? []));
  const used: Disposable[] = [];
  const scope: Record<string, unknown> = {
    $import: (name: string) => (Object.hasOwn(ENTRIES, name) ? sources(ENTRIES[name]!) : import(name)),
    // Node 20 has no `using`.
    $using: (value: Disposable) => {
      used.push(value);
      return value;
    },
    $check: (value: unknown, expected: string) => expectPrinted(value, expected),
    console: { log() {}, error() {} },
  };
  const entry = path.startsWith('src/') ? { ...(await sources('src/index.ts')), ...(await sources(path)) } : {};
  for (const name of new Set(body.match(/[A-Za-z_]\w*/g))) {
    if (declared.has(name) || name in scope) continue;
    if (name in entry) scope[name] = entry[name];
    else if (name in given) scope[name] = await given[name]!();
    else if (path.startsWith('src/') && exporterOf(name)) scope[name] = (await sources(exporterOf(name)!))[name];
  }
  try {
    await new AsyncFunction(...Object.keys(scope), body)(...Object.values(scope));
  } finally {
    for (const value of used.reverse()) value[Symbol.dispose]();
  }
}

/** `EXPRESSION // VALUE` becomes a check, where the comment is a value; `using` becomes a call. */
function checked(code: string): string {
  const lowered = code.replace(/^(\s*)(?:await )?using (\w+) = (.*?);/gm, '$1const $2 = $$using($3);');
  return lowered.replace(
    /^(\s*)(\S.*?);?\s+\/\/ (.+)$/gm,
    (line, indent: string, statement: string, comment: string) => {
      const log = /^console\.log\((.*)\)$/.exec(statement);
      const isStatement = /^(?:const|let|for|if|while|return|throw|import|export|using|await using|\}|\/\/)/.test(
        statement,
      );
      const isValue =
        log !== null || /^(?:[[{'"\d-]|true$|false$|null$|undefined$|(?:Float32|Uint8)Array)/.test(comment);
      const isAssignment = /^[\w.[\]]+ [+-]?= /.test(statement);
      if (isStatement || isAssignment || !isValue) return line;
      return `${indent}await $check(await (${log ? log[1] : statement}), ${JSON.stringify(comment)});`;
    },
  );
}

const imported = (code: string) =>
  code.replace(/^import (?:\* as (\w+)|(\{[\s\S]*?\})|(\w+)) from ['"](.+?)['"];?$/gm, (_, all, names, one, from) => {
    const left = all ?? names?.replaceAll(' as ', ': ') ?? `{ default: ${one} }`;
    return `const ${left} = await $import(${JSON.stringify(from)});`;
  });

function expectPrinted(value: unknown, expected: string): void {
  const blank = (text: string) =>
    text
      .replace(/\s+/g, ' ')
      .replace(/"/g, "'")
      .replace(/([[{(]) | (?=[\]})])/g, '$1')
      .trim();
  const printed = blank(typeof value === 'string' && !/^['"]/.test(expected) ? value : inspect(value, { depth: 5, breakLength: Number.POSITIVE_INFINITY })); // biome-ignore format: one step
  const pattern = blank(expected)
    .split(/…|\.\.\./)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  expect(printed).toMatch(new RegExp(`^${pattern}$`));
}
