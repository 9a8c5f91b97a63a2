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
