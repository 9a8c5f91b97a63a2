/**
 * A process of the soak test `queue`: many workers without a model, each with its own connection to wait on. A shard takes as long
 * as it is told from when the parent says 'go', and does nothing; the part that is held takes until it says 'release'.
 *
 * Arguments: the queue's address and name; workers; seconds a shard, which vary by a half; seconds of a lock; the part that is held.
 * Tells its parent 'begun' when all workers are there, and [part, isDone] as a shard begins and ends.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { BullQueue } from '../../src/batch/bull-queue.ts';

/** Workers that come at once; all in one moment would wait for each other's connections. */
const TOGETHER = 50;

const [url, name] = process.argv.slice(2, 4) as [string, string];
const [workers, seconds, lock, held] = process.argv.slice(4).map(Number) as [number, number, number, number];
const said = (word: string) =>
  new Promise<void>((resolve) => process.on('message', (message) => message === word && resolve()));
const [go, release] = [said('go'), said('release')];
process.on('disconnect', () => process.exit()); // the parent is gone, or has all it wants
const queue = await BullQueue.open(url, name);
const { signal } = new AbortController();
setMaxListeners(0, signal);

async function shard({ part }: { readonly part: number }) {
  process.send!([part, false]);
  await go;
  await (part === held ? release : wait(1000 * seconds * (0.5 + Math.random())));
  return { pictures: 0, failed: 0, wasThere: false };
}

const works: Promise<void>[] = [];
while (works.length < workers) {
  works.push(queue.work(shard, signal, { lockMs: 1000 * lock, onDone: ({ part }) => process.send!([part, true]) }));
  if (works.length % TOGETHER === 0) await wait(100);
}
process.send!('begun');
await Promise.all(works);
await queue.close();
process.disconnect();
