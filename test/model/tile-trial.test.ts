import { afterEach, describe, expect, it, vi } from 'vitest';
import { Mode } from '../../src/engine/kernels.ts';
import { TileTrial } from '../../src/engine/tile-trial.ts';

afterEach(() => vi.restoreAllMocks());

/** The forms that a trial hands out, for a machine on which each form takes so many milliseconds. */
function forms(trial: TileTrial, cost: Record<number, number>, calls: number, units = 1): number[] {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  return Array.from({ length: calls }, () =>
    trial.run(units, 1, (form) => {
      now += cost[form]!;
      return form;
    }),
  );
}

describe('the trial between the two forms of a tile', () => {
  it('lets them take turns, then keeps the faster', () => {
    for (const [cost, winner] of [
      [{ [Mode.none]: 2, [Mode.splat]: 1 }, Mode.splat],
      [{ [Mode.none]: 1, [Mode.splat]: 2 }, Mode.none],
      [{ [Mode.none]: 0, [Mode.splat]: 0 }, Mode.none], // a clock that stands still
    ] as const) {
      const seen = forms(new TileTrial(), cost, 15);
      expect(seen.slice(0, 10)).toEqual([0, 1, 2, 3, 4].flatMap(() => [Mode.none, Mode.splat]));
      expect(seen.slice(10)).toEqual(Array(5).fill(winner));
    }
  });

  it('does not count work that is too small to time', () => {
    const trial = new TileTrial();
    expect(forms(trial, { [Mode.none]: 2, [Mode.splat]: 1 }, 30, 0.5)).toEqual(Array(30).fill(Mode.none));
    expect(forms(trial, { [Mode.none]: 2, [Mode.splat]: 1 }, 2)).toEqual([Mode.none, Mode.splat]);
  });
});
