/** The most this processor can do: register-only loops (ceiling/), compiled when the bench starts. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { distrustRelaxed } from '../src/platform/node.ts';
import type { Report } from './report.ts';
import { gmacs, inTurns } from './timing.ts';

/** Multiply-adds of one round of a loop: twelve chains of 8, 4 or 16 lanes. */
const MACS = { dot: 12 * 8, multiplyAdd: 12 * 4, relaxedDot: 12 * 16 };
const ROUNDS = 20_000;

type Loop = (rounds: number, seed: number) => number;

/** A ceiling as a task that alternates with others, and its number of multiply-adds. */
export interface Ceiling {
  readonly run: () => number;
  readonly macs: number;
}

export interface Ceilings {
  readonly int8: Ceiling;
  readonly f32: Ceiling;
  /** Or why there is none. */
  readonly relaxed: Ceiling | string;
}

export function openCeilings(): Ceilings {
  const simd = compile('simd', ['simd']);
  const relaxed = compile('relaxed', ['simd', 'relaxed-simd']);
  const loops = new WebAssembly.Instance(new WebAssembly.Module(simd)).exports as Record<string, Loop>;
  return {
    int8: ceiling(loops.dot!, MACS.dot),
    f32: ceiling(loops.multiplyAdd!, MACS.multiplyAdd),
    relaxed: openRelaxed(relaxed),
  };
}

function openRelaxed(bytes: Uint8Array<ArrayBuffer>): Ceiling | string {
  if (!WebAssembly.validate(bytes)) return 'this runtime has no relaxed SIMD';
  const reason = distrustRelaxed();
  if (reason !== undefined) return reason;
  const { relaxedDot } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Record<string, Loop>;
  return ceiling(relaxedDot!, MACS.relaxedDot);
}

function ceiling(loop: Loop, macs: number): Ceiling {
  return { run: () => loop(ROUNDS, 3), macs: macs * ROUNDS };
}

function compile(name: string, features: string[]): Uint8Array<ArrayBuffer> {
  const out = fileURLToPath(new URL(`../build/ceiling-${name}.wasm`, import.meta.url));
  mkdirSync(new URL('../build', import.meta.url), { recursive: true });
  const asc = fileURLToPath(new URL('../node_modules/assemblyscript/bin/asc.js', import.meta.url));
  const enable = features.flatMap((feature) => ['--enable', feature]);
  // In the folder of the loops, which has no asconfig.json: asc would add the package's entries.
  const cwd = fileURLToPath(new URL('ceiling', import.meta.url));
  const options = ['-O3', '--noAssert', '--runtime', 'stub', ...enable];
  execFileSync(process.execPath, [asc, `${name}.ts`, '-o', out, ...options], { cwd, stdio: 'inherit' });
  return new Uint8Array(readFileSync(out));
}

export async function benchCeilings(report: Report, ceilings: Ceilings): Promise<void> {
  const { int8, f32, relaxed } = ceilings;
  const runs = await inTurns(
    { int8: int8.run, f32: f32.run, ...(typeof relaxed !== 'string' && { relaxed: relaxed.run }) },
    { rounds: 9, time: 60 },
  );
  const instructions = {
    int8: 'i32x4.dot_i16x8_s, i32x4.add',
    f32: 'f32x4.mul, f32x4.add',
    relaxed: 'i32x4.relaxed_dot_i8x16_i7x16_add_s',
  };
  report.section('Ceilings, GMAC/s of one thread', ['instructions', 'best', 'median']);
  for (const name of ['int8', 'f32', 'relaxed'] as const) {
    const loop = ceilings[name];
    if (typeof loop === 'string') {
      report.row(`ceiling ${name}`, { skipped: loop }, [instructions[name], `skipped: ${loop}`, '']);
      continue;
    }
    const { bestMs, medianMs } = runs[name as 'int8'];
    const [best, middle] = [gmacs(loop.macs, bestMs), gmacs(loop.macs, medianMs)];
    report.row(`ceiling ${name}`, { best, median: middle }, [instructions[name], best.toFixed(1), middle.toFixed(1)]);
  }
}
