import { expect, it } from 'vitest';
import { MemoryPlan } from '../../src/engine/memory.ts';

it('puts overlapping states on the same addresses, with room for the largest, whichever comes first', () => {
  for (const sizes of [
    [200_000, 1000],
    [1000, 200_000],
  ]) {
    const plan = new MemoryPlan();
    plan.reserve('weights', 100);
    const [first, second] = plan.overlap(
      () => plan.reserve('image', sizes[0]!),
      () => plan.reserve('text', sizes[1]!),
    );
    expect(second).toBe(first);
    const behind = plan.reserve('scratch', 10);
    expect(behind).toBeGreaterThanOrEqual(first + 200_000);
    expect(plan.byteLength).toBeGreaterThanOrEqual(behind + 10);
    expect(plan.byteLength % 65_536).toBe(0);
    expect(plan.use).toEqual({ weights: 100, image: sizes[0], text: sizes[1], scratch: 10 });
  }
});

it('begins behind address 0, each at a cache line', () => {
  const plan = new MemoryPlan();
  const places = [1, 64, 65, 7].map((bytes) => plan.reserve('rows', bytes));
  expect(places).toEqual([64, 128, 192, 320]);
  expect(plan.use).toEqual({ rows: 137 });
  expect(plan.byteLength).toBe(65_536);
});

it('makes a memory of whole pages that does not grow, shared if asked for', () => {
  const plan = new MemoryPlan();
  plan.reserve('weights', 100_000);
  const memory = plan.allocate();
  expect(memory.buffer).toBeInstanceOf(ArrayBuffer);
  expect(memory.buffer.byteLength).toBe(131_072);
  expect(() => memory.grow(1)).toThrow(RangeError);
  expect(plan.allocate(true).buffer).toBeInstanceOf(SharedArrayBuffer);
});

it('refuses more than WebAssembly addresses before it asks for it, and what the runtime refuses', () => {
  const plan = new MemoryPlan();
  plan.reserve('weights', 2 ** 32);
  expect(() => plan.allocate()).toThrow('the model needs 4295032832 bytes; WebAssembly addresses 4294967296');
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class {
    constructor() {
      throw new RangeError('no memory');
    }
  } as unknown as typeof Memory;
  try {
    expect(() => new MemoryPlan().allocate()).toThrow('this runtime cannot allocate 65536 bytes of WebAssembly memory');
  } finally {
    WebAssembly.Memory = Memory;
  }
});
