/** A set of names as a `Set` has it, for more of them. */
import { expect, it } from 'vitest';
import { NameSet } from '../../src/batch/name-set.ts';

it('knows every name it was given, and no other', () => {
  const set = new NameSet();
  const names = Array.from({ length: 20_000 }, (_, i) => `${i % 7}/${i}.png`);
  expect(names.every((name) => set.add(name))).toBe(true);
  expect(names.some((name) => set.add(name))).toBe(false);
  expect(set.size).toBe(names.length);
  expect(['\udcfe.png', '\udcff.png', '\ufffd.png'].every((name) => set.add(name))).toBe(true); // bytes that are not UTF-8
});
