import { expect, it } from 'vitest';
import { Slots } from '../../src/search/slots.ts';
import type { VectorId } from '../../src/search/vectors.ts';
import { Random } from '../kernels/random.ts';

/** Ids as a database gives them, then some out of order, again and as text. */
const KINDS: readonly [string, (random: Random, i: number) => VectorId][] = [
  ['ascending numbers', (_, i) => 3 * i - 20],
  ['numbers in any order', (random) => random.integer(-20, 40)],
  ['ascending numbers, some again', (random, i) => (random.next() < 0.7 ? i : random.integer(0, i))],
  ['numbers and texts', (random, i) => (random.next() < 0.5 ? i : `${random.integer(0, 9)}`)],
];

it.each(KINDS)('knows the slots of %s as a map does', (_, idOf) => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new Random(seed);
    const reuses = seed % 2 === 0;
    const slots = new Slots();
    const expected = new Map<VectorId, number>(); // in the order of the additions
    let next = 0;
    for (let i = 0; i < 60; i++) {
      const id = idOf(random, i);
      const former = slots.remove(id);
      expect(former).toBe(expected.get(id));
      expected.delete(id);
      if (random.next() < 0.7) {
        const slot = slots.free ?? next++;
        slots.add(id, slot);
        expected.set(id, slot);
      }
      if (former !== undefined && reuses) slots.release(former);
      const order = slots.inOrder();
      expect([slots.size, order]).toEqual([expected.size, [...expected.values()]]);
      expect(order.map((slot) => slots.id(slot))).toEqual([...expected.keys()]);
      expect([slots.has(id), order.every((slot) => slots.has(slots.id(slot)))]).toEqual([expected.has(id), true]);
    }
  }
});
