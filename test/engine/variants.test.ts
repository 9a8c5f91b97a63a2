import { afterEach, describe, expect, it, vi } from 'vitest';
import { faster } from '../../src/engine/variants.ts';

afterEach(() => vi.restoreAllMocks());

/** A measurement on a clock of its own: what each call costs, by its number; the last cost stays. Also how many calls there were. */
function measure(a: readonly number[], b: readonly number[]) {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const calls = [0, 0];
  const runner = (costs: readonly number[], i: number) => () => {
    now += costs[Math.min(calls[i]!++, costs.length - 1)]!;
  };
  return { faster: faster(runner(a, 0), runner(b, 1)), calls };
}

describe('the choice between the builds', () => {
  it('goes to the one that takes less than three quarters of the time, and is short', () => {
    expect(measure([9, 2], [9, 3])).toEqual({ faster: true, calls: [5, 5] });
    expect(measure([9, 2.5], [9, 3])).toEqual({ faster: false, calls: [5, 5] });
    expect(measure([9, 3], [9, 2]).faster).toBe(false);
  });

  it('has no winner where the clock stands still', () => {
    expect(measure([0], [0]).faster).toBe(false);
  });

  it('takes the least time, whatever disturbs the others', () => {
    expect(measure([9, 2, 50, 50, 50], [9, 70, 3, 60, 80]).faster).toBe(true);
  });

  it('goes on when one becomes faster, until the other has had its turn', () => {
    expect(measure([9, 4, 4, 4, 1], [9, 3, 3, 3, 3, 3, 0.5]).faster).toBe(false);
  });

  it('ends, though one keeps becoming faster', () => {
    const costs = Array.from({ length: 200 }, (_, i) => 0.7 ** i);
    expect(measure(costs, [1]).calls[0]).toBeLessThanOrEqual(60);
  });
});
