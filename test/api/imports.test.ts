import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const source = (path: string) => new URL(`../../src/${path}`, import.meta.url);

/** The platform that the tests run on. */
const PLATFORM = source('platform/node.ts').href;

/** What a module imports as it starts: not for types alone, and not later by `import()`. */
function imports(module: string): string[] {
  const statements = readFileSync(new URL(module), 'utf8').matchAll(
    /^(?:import|export)\s(?!type\b)(?:[^'";]*\bfrom\s)?'([^']+)'/gm,
  );
  return Array.from(statements, ([, specifier]) => {
    if (specifier === '#platform') return PLATFORM;
    return specifier.startsWith('.') ? new URL(specifier, module).href : specifier;
  });
}

/** Everything that comes with a module. */
function loadedWith(path: string): Set<string> {
  const loaded = new Set([source(path).href]);
  for (const module of loaded) {
    if (module.startsWith('file:')) for (const specifier of imports(module)) loaded.add(specifier);
  }
  return loaded;
}

const packages = (loaded: Set<string>) => [...loaded].filter((module) => !/^(?:file|node):/.test(module));

it('importing edgeclip loads none of the packages it depends on, and no text cleaning', () => {
  const loaded = loadedWith('index.ts');
  expect(loaded).toContain(PLATFORM);
  expect(packages(loaded)).toEqual([]);
  expect(loaded).not.toContain(source('text/cleaning.ts').href);
});

it('edgeclip/tokenizer loads its packages, and no pictures', () => {
  const loaded = loadedWith('text/tokenizer.ts');
  expect(packages(loaded).sort()).toEqual(['@huggingface/tokenizers', 'entities/decode']);
  expect(loaded).not.toContain(source('image/decode.ts').href);
});
