/** Kernel calls by name: the written-out adapter agrees with the list of fields, and the list with the wasm functions. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FIELDS, type KernelName, namedKernels, type Positional } from '../../src/engine/calls.ts';
import { MOST_ARGUMENTS, THREADED_KERNELS } from '../../src/engine/threads/steps.ts';

const names = Object.keys(FIELDS) as KernelName[];
const folder = new URL('../../assembly/', import.meta.url);
const sources = readdirSync(folder)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(new URL(file, folder), 'utf8'))
  .join('\n');
const wasm = new WebAssembly.Module(readFileSync(new URL('../../dist/kernels-simd.wasm', import.meta.url)));

/** Gives back the arguments it was called with. */
const echo = namedKernels(
  Object.fromEntries(names.map((name) => [name, (...args: number[]) => args])) as unknown as Positional<number[]>,
);

describe.each(names)('%s', (name) => {
  it('passes its fields in the order of the list', () => {
    const call = Object.fromEntries(FIELDS[name].map((field, i) => [field, i + 1]));
    expect(echo[name](call as never)).toEqual(FIELDS[name].map((_, i) => i + 1));
  });

  it('is called as the assembly declares it', () => {
    const list = new RegExp(`export function ${name}\\(([^)]*)\\)`).exec(sources)![1]!;
    const parameters = [...list.matchAll(/(\w+): \w+/g)].map(([, parameter]) => parameter);
    expect(parameters).toEqual(FIELDS[name]);
  });
});

it('covers exactly the kernels that the module exports', () => {
  const exported = WebAssembly.Module.exports(wasm).map(({ name }) => name);
  expect(exported.toSorted()).toEqual(names.toSorted());
});

it('leaves room for the arguments of every threaded kernel', () => {
  for (const name of THREADED_KERNELS) expect(FIELDS[name].length).toBeLessThanOrEqual(MOST_ARGUMENTS);
});
