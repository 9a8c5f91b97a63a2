/** The shards of a queue that workers take, give back and set aside while it is asked: each is counted once, and none is lost. */
import { afterEach, expect, it, vi } from 'vitest';
import { BullQueue } from '../../src/batch/bull-queue.ts';
import { countByState } from '../../src/batch/queued-shards.ts';

type State = 'wait' | 'active' | 'failed';
const states = new Map<number, State>();
/** What happens after so many questions. */
const events: (() => void)[] = [];

const inState = (state: State) => {
  const parts = [...states].flatMap(([part, now]) => (now === state ? [part] : []));
  events.shift()?.();
  return parts;
};
const jobs = (state: State) => inState(state).map((part) => ({ data: { part }, processedOn: 5, failedReason: 'bad' }));
vi.mock('../../src/batch/bull-connection.ts', () => ({
  connectBull: async () => ({
    queue: {
      getRanges: async () => inState('wait').map((part) => `part-0000${part}`),
      getActive: async () => jobs('active'),
      getFailed: async () => jobs('failed'),
      getCompleted: async () => [],
    },
  }),
}));
afterEach(() => {
  states.clear();
  events.length = 0;
});

async function count(parts: readonly number[]) {
  const queue = await BullQueue.open('redis://host', 'name');
  return countByState(parts, (await queue.shards()).shards);
}

it('counts a shard once that is taken between the questions', async () => {
  states.set(0, 'wait').set(1, 'wait');
  events.push(() => states.set(1, 'active'));
  expect(await count([0, 1])).toEqual({ waiting: 1, running: 1, lost: 0, failed: [] });
});

it('does not call a shard lost that is given back, or is tried again, between the questions', async () => {
  states.set(0, 'active').set(1, 'failed');
  events.push(
    () => states.set(0, 'wait'), // after those that wait were asked for, before those that run
    () => states.set(1, 'wait'),
  );
  expect(await count([0, 1])).toEqual({ waiting: 2, running: 0, lost: 0, failed: [] });
});

it('names those that were set aside, counts those that are not there, and leaves out those that have parts', async () => {
  states.set(0, 'active').set(1, 'failed').set(2, 'failed').set(3, 'wait');
  expect(await count([0, 1, 7])).toEqual({ waiting: 0, running: 1, lost: 1, failed: [{ part: 1, reason: 'bad' }] });
  expect(countByState([0, 1], undefined)).toEqual({ waiting: 2, running: 0, lost: 0, failed: [] });
});
