// What the examples of vector databases have in common: collections of vectors by cosine, and a check of their types.
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { node, run } from './runtime.js';

/** Vectors by id, found by cosine as a plain scan finds them. */
export class Collection {
  vectors = new Map();

  upsert(points) {
    for (const { id, values, payload } of points) this.vectors.set(id, { values: Float32Array.from(values), payload });
  }

  query(query, limit) {
    const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    const scored = [...this.vectors].map(([id, { values, payload }]) => ({ id, score: dot(values, query), payload }));
    return scored.sort((a, b) => b.score - a.score).slice(0, limit);
  }
}

const installed = (name) => fileURLToPath(new URL(`node_modules/${name}`, import.meta.url));

/** Puts packages of test/examples into the example's folder. */
export function provide(folder, names) {
  for (const name of names) cpSync(installed(name), join(folder, 'node_modules', name), { recursive: true });
}

/** Checks a program's types strictly, as TypeScript reads JavaScript. */
export async function checkTypes(folder, file, compilerOptions) {
  const options = {
    allowJs: true,
    checkJs: true,
    strict: true,
    noImplicitAny: false,
    useUnknownInCatchVariables: false,
    noEmit: true,
    skipLibCheck: true,
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    ...compilerOptions,
  };
  const config = join(folder, 'tsconfig.json');
  writeFileSync(config, JSON.stringify({ compilerOptions: options, files: [file] }));
  await run(node, [installed('typescript/bin/tsc'), '-p', config], folder);
}
