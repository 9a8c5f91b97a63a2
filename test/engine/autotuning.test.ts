import { afterEach, describe, expect, it, vi } from 'vitest';
import { TileAutotuner, type TileVariant } from '../../src/engine/autotuning.ts';
import { Mode } from '../../src/engine/calls.ts';

afterEach(() => vi.restoreAllMocks());

/** A product that a autotuner is given, and what its two forms cost, in milliseconds a row. */
interface Product {
  readonly m: number;
  readonly n: number;
  readonly cost: readonly [none: number, splat: number];
}

/** Products in turn, on a clock of their own; `noise` is what the machine adds to a call. */
function run(
  autotuner: TileAutotuner,
  products: readonly Product[],
  calls: number,
  noise = (_call: number) => 0,
): TileVariant[] {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const seen: TileVariant[] = [];
  for (let i = 0; i < calls; i++) {
    const { m, n, cost } = products[i % products.length]!;
    autotuner.run(m, n, 1000, (variant) => {
      seen.push(variant);
      now += m * cost[variant === Mode.none ? 0 : 1] + noise(i);
    });
  }
  return seen;
}

const CALLS = 500;
const large = { m: 50, n: 768 };

describe('the autotuner between the two forms of a tile', () => {
  it.each([
    { cost: [2, 1], winner: Mode.splat },
    { cost: [1, 2], winner: Mode.none },
    { cost: [0, 0], winner: Mode.none }, // a clock that stands still
  ] as const)('lets them take turns, then keeps the faster: $cost', ({ cost, winner }) => {
    const autotuner = new TileAutotuner();
    const seen = run(autotuner, [{ ...large, cost }], CALLS);
    expect(seen.slice(0, 4)).toEqual([Mode.none, Mode.splat, Mode.none, Mode.splat]);
    expect(autotuner.variant).toBe(winner);
    expect(new Set(run(autotuner, [{ ...large, cost }], 5))).toEqual(new Set([winner]));
  });

  it('compares products of the same weights, and weighs them by their rows', () => {
    // The second product is ten times slower, and what it says counts more.
    const products = [
      { ...large, cost: [1, 1.1] },
      { m: 50, n: 3072, cost: [10, 9] },
    ] as const;
    const autotuner = new TileAutotuner();
    run(autotuner, products, CALLS);
    expect(autotuner.variant).toBe(Mode.splat);
  });

  it('is not misled by a machine that is busy most of the time', () => {
    const autotuner = new TileAutotuner();
    run(autotuner, [{ ...large, cost: [1, 0.9] }], CALLS, (call) => (call % 7 < 2 ? 0 : 40));
    expect(autotuner.variant).toBe(Mode.splat);
  });

  it('neither times nor counts what is too small, and never decides by it', () => {
    const autotuner = new TileAutotuner();
    expect(new Set(run(autotuner, [{ m: 1, n: 8, cost: [2, 1] }], 2 * CALLS))).toEqual(new Set([Mode.none]));
    expect(autotuner.settled).toBe(false);
  });

  it('has nothing to find out where it is told', () => {
    expect(run(new TileAutotuner(Mode.splat), [{ ...large, cost: [1, 2] }], 3)).toEqual(Array(3).fill(Mode.splat));
  });
});
