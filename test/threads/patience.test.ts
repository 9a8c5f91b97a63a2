import { expect, it } from 'vitest';
import { Patience } from '../../src/engine/threads/patience.ts';

it('waits the least time where kernels are fast', () => {
  const patience = new Patience(1000);
  expect(patience.milliseconds).toBe(1000);
  for (let i = 0; i < 100; i++) patience.add(5);
  expect(patience.milliseconds).toBe(1000);
});

it('waits longer where kernels are slow', () => {
  const patience = new Patience(1000);
  // A long kernel among short ones, as in a transformer block.
  for (let i = 0; i < 100; i++) patience.add(i % 5 === 0 ? 400 : 1);
  expect(patience.milliseconds).toBeGreaterThan(3000);
});

it('forgets a kernel that was interrupted once within a picture of sixty', () => {
  const patience = new Patience(1000);
  patience.add(500);
  expect(patience.milliseconds).toBe(5000);
  for (let i = 0; i < 60; i++) patience.add(5);
  expect(patience.milliseconds).toBe(1000);
});

it('waits ten seconds at most, however long a kernel took', () => {
  const patience = new Patience(1000);
  patience.add(60_000);
  expect(patience.milliseconds).toBe(10_000);
});
