/** The three builds of the kernels, and the suite's way of running the same tests over each of them. */
import { readFileSync } from 'node:fs';
import { instantiateSync } from '@assemblyscript/loader';
import { describe } from 'vitest';
import { type KernelExports, type Kernels, namedKernels } from '../../src/engine/calls.ts';
import { instantiateKernels } from '../../src/engine/kernels.ts';
import { Arena } from './arena.ts';

/** How packed int8 rows lie: assembly/packed-rows.ts. */
export type RowLayout = 'simd' | 'relaxed';

export interface Build {
  readonly name: string;
  readonly layout: RowLayout;
  /** Why this runtime cannot run it. */
  readonly problem?: string;
  open(memory: WebAssembly.Memory): Kernels;
}

const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url));

function release(name: string, layout: RowLayout): Build {
  const bytes = file(`dist/kernels-${name}.wasm`);
  const problem = problemWith(layout, bytes);
  return {
    name,
    layout,
    ...(problem ? { problem } : {}),
    open: (memory) => instantiateKernels(new WebAssembly.Module(bytes), memory),
  };
}

function problemWith(layout: RowLayout, bytes: Uint8Array<ArrayBuffer>): string | undefined {
  if (layout === 'simd') return undefined;
  if (process.versions.node.startsWith('20.')) return "Node 20's relaxed SIMD answers wrong, so nobody runs it there";
  return WebAssembly.validate(bytes) ? undefined : 'no relaxed SIMD in this runtime';
}

/** The debug build goes through AssemblyScript's loader, whose aborts name the message, the file and the line. */
const debug: Build = {
  name: 'debug',
  layout: 'simd',
  open: (memory) =>
    namedKernels(
      instantiateSync(file('build/kernels-debug.wasm'), { env: { memory } }).exports as unknown as KernelExports,
    ),
};

export const builds: readonly Build[] = [debug, release('simd', 'simd'), release('relaxed', 'relaxed')];

/** The suite of a kernel, over each build; one that cannot run here stands in the report as skipped, with the reason. */
export function describeBuilds(body: (arena: Arena, build: Build) => void): void {
  for (const build of builds) {
    const name = build.problem ? `${build.name} build, not run: ${build.problem}` : `${build.name} build`;
    describe.skipIf(build.problem)(name, () => body(new Arena(build), build));
  }
}
