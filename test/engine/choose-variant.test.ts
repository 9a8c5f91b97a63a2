/** Which build is chosen where relaxed SIMD is missing, distrusted, or slower: with a platform, a clock and kernels of its own. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KernelVariant } from '../../src/engine/kernels.ts';

const noRelaxed = { validate: () => false };
const withRelaxed = { validate: () => true };
/** What a call takes on the test's clock, by its number from 0. */
type Cost = (call: number) => number;

let compiled: KernelVariant[] = [];

beforeEach(() => {
  compiled = [];
  vi.resetModules(); // the outcome is kept for the process
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  for (const path of ['#platform', '../../src/engine/compiled.ts', '../../src/engine/kernels.ts']) vi.doUnmock(path);
});

interface Runtime {
  wasm?: { validate: () => boolean };
  /** What the platform says against relaxed SIMD. */
  distrust?: string;
  /** Costs of the builds' calls. */
  simd?: Cost;
  relaxed?: Cost;
  /** Compiles, or throws. */
  compile?: (variant: KernelVariant) => void;
}

/** `chooseVariant` as a process in such a runtime has it. */
async function choose({
  wasm = withRelaxed,
  distrust,
  simd = () => 3,
  relaxed = () => 3,
  compile = () => {},
}: Runtime): Promise<typeof import('../../src/engine/variants.ts').chooseVariant> {
  vi.stubGlobal('WebAssembly', Object.create(WebAssembly, { validate: { value: wasm.validate } }));
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.doMock('#platform', async (original) => ({ ...(await original<object>()), distrustRelaxed: () => distrust }));
  vi.doMock('../../src/engine/compiled.ts', async (original) => ({
    ...(await original<object>()),
    compiledKernels: async (variant: KernelVariant) => {
      compiled.push(variant);
      compile(variant);
      return variant;
    },
  }));
  const calls = { simd: 0, relaxed: 0 };
  const costs = { simd, relaxed };
  vi.doMock('../../src/engine/kernels.ts', async (original) => ({
    ...(await original<object>()),
    instantiateKernels: (variant: KernelVariant) => ({
      gemmInt8: () => {
        now += costs[variant](calls[variant]++);
      },
    }),
  }));
  return (await import('../../src/engine/variants.ts')).chooseVariant;
}

describe.each<[string, Runtime, string]>([
  ['without relaxed SIMD', { wasm: noRelaxed }, 'this runtime has no relaxed SIMD'],
  ['with relaxed SIMD that gives wrong results', { distrust: 'it computes wrong' }, 'it computes wrong'],
])('a runtime %s', (_name, runtime, reason) => {
  it('gets the simd build, unmeasured, however fast the other would be', async () => {
    const chooseVariant = await choose({ ...runtime, relaxed: () => 0.1 });
    expect(await chooseVariant()).toBe('simd');
    expect(compiled).toEqual([]);
  });

  it('has the simd build on demand, and refuses the relaxed one with the reason', async () => {
    const chooseVariant = await choose(runtime);
    expect(await chooseVariant('simd')).toBe('simd');
    await expect(chooseVariant('relaxed')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining(reason),
    });
  });
});

describe('a runtime with relaxed SIMD', () => {
  it.each<[string, Runtime, KernelVariant]>([
    ['the relaxed build where it takes half of the time', { relaxed: () => 1.5 }, 'relaxed'],
    ['the simd build where the relaxed one is ahead by a fifth', { relaxed: () => 2.4 }, 'simd'],
    ['the simd build where both are alike', {}, 'simd'],
    ['the simd build where it is faster', { simd: () => 1 }, 'simd'],
    ['the simd build where the clock stands still', { simd: () => 0, relaxed: () => 0 }, 'simd'],
    ['the simd build where the relaxed one wins the first timing alone', { relaxed: (i) => (i < 4 ? 1.5 : 3) }, 'simd'],
    [
      'the simd build where the relaxed one wins the second timing alone',
      { relaxed: (i) => (i < 4 ? 3 : 1.5) },
      'simd',
    ],
  ])('gets %s', async (_name, runtime, variant) => {
    expect(await (await choose(runtime))()).toBe(variant);
  });

  it('is measured once, also by calls at the same time', async () => {
    const chooseVariant = await choose({ relaxed: () => 1 });
    expect(await Promise.all([chooseVariant(), chooseVariant()])).toEqual(['relaxed', 'relaxed']);
    expect(await chooseVariant()).toBe('relaxed');
    expect(compiled.sort()).toEqual(['relaxed', 'simd']);
  });

  it('is not measured if a build is asked for', async () => {
    const chooseVariant = await choose({ simd: () => 1 });
    expect(await chooseVariant('relaxed')).toBe('relaxed');
    expect(await chooseVariant('simd')).toBe('simd');
    expect(compiled).toEqual([]);
  });

  it('gets the simd build while the relaxed one does not compile, and is measured at the next load', async () => {
    let broken = true;
    const compile = (variant: KernelVariant) => {
      if (broken && variant === 'relaxed') throw new WebAssembly.CompileError('out of memory');
    };
    const chooseVariant = await choose({ relaxed: () => 1, compile });
    expect(await chooseVariant()).toBe('simd');
    broken = false;
    expect(await chooseVariant()).toBe('relaxed');
  });

  it('refuses a build that does not exist', async () => {
    const chooseVariant = await choose({});
    await expect(chooseVariant('fast' as never)).rejects.toThrow(RangeError);
  });
});
