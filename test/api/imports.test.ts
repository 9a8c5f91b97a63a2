import { existsSync, readFileSync } from 'node:fs';
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

it('importing edgeclip loads none of its dependencies, and no code for texts, other weights, other towers or threads', () => {
  const loaded = new Set([source('index.ts').href]);
  for (const module of loaded) {
    if (module.startsWith('file:')) for (const specifier of imports(module)) loaded.add(specifier);
  }
  expect(loaded).toContain(PLATFORM);
  expect([...loaded].filter((module) => !/^(?:file|node):/.test(module))).toEqual([]);
  const towers = ['vision-transformer', 'resnet', 'text-transformer', 'block'].map((name) => `model/${name}.ts`);
  for (const later of ['text/tokenizer.ts', 'encode-texts.ts', 'engine/threads/split.ts', ...towers]) {
    expect(existsSync(source(later)), later).toBe(true); // or nothing would be said
    expect(loaded).not.toContain(source(later).href);
  }
  expect(loaded).not.toContain('node:worker_threads');
});
