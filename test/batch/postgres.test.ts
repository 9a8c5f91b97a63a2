/** The queue on PostgreSQL: the same rules as on Redis. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BullQueue } from '../../src/batch/bull-queue.ts';
import { announce } from '../../src/batch/queued-batches.ts';
import { forgetBatch, openSharedQueue, queuedBatches } from '../../src/batch/queues.ts';
import { PASSWORD, PostgresServer } from '../postgres/server.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.remove());

const place = (part: number) => ({ part, file: 'plan/plan-00000.jsonl', start: 10 * part, end: 10 * part + 9 });
const result = { pictures: 1, failed: 0, wasThere: false };

it('hands out every shard once, gives back what was stopped, and adds nothing twice', async () => {
  const queue = await BullQueue.open(server.address(), 'edgeclip-test');
  await queue.add([0, 1, 2, 3].map(place));
  await queue.add([2, 3, 4].map(place));
  expect(await queue.status()).toEqual({ waiting: 5, running: 0, failed: [] });

  const stop = new AbortController();
  const begun: number[] = [];
  await queue.work(async (shard, signal) => {
    begun.push(shard.part);
    if (begun.length === 2) stop.abort(new Error('enough'));
    signal.throwIfAborted();
    return result;
  }, stop.signal);
  expect(begun).toEqual([0, 1]);
  expect(await queue.status()).toMatchObject({ waiting: 4, failed: [] });

  const done: number[] = [];
  await queue.work(async () => result, new AbortController().signal, { onDone: ({ part }) => done.push(part) });
  expect(done.sort()).toEqual([1, 2, 3, 4]);
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
  await queue.close();
});

it('forgets a batch, and takes its shards again', async () => {
  const url = server.address();
  const queue = await openSharedQueue(url, 'x');
  await queue.add([0, 1].map(place));
  await announce(url, { id: 'x', output: '/x' });
  await announce(url, { id: 'y', output: '/y' });
  expect(await forgetBatch(url, { id: 'x', output: '/x' }, false)).toBe(2);
  expect(await queuedBatches(url)).toEqual([{ id: 'y', output: '/y' }]);
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
  await queue.add([0].map(place));
  const done: number[] = [];
  await queue.work(async () => result, new AbortController().signal, { onDone: ({ part }) => done.push(part) });
  expect(done).toEqual([0]);
  await queue.close();
});

it('sets a shard aside after as many attempts as the worker is told', async () => {
  const queue = await BullQueue.open(server.address(), 'edgeclip-poison', { backoffMs: 20 });
  await queue.add([0].map(place));
  let tried = 0;
  const poison = async () => {
    tried++;
    throw new Error('no such tar');
  };
  await queue.work(poison, new AbortController().signal, { attempts: 3 });
  expect([tried, await queue.status()]).toEqual([3, { waiting: 0, running: 0, failed: [{ part: 0, reason: 'no such tar' }] }]); // biome-ignore format: one line
  expect(await queue.retry([])).toBe(1);
  await queue.work(async () => result, new AbortController().signal);
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
  await queue.close();
});

it('says who does not answer, without the password', async () => {
  await server.stop();
  const error = await BullQueue.open(server.address(), 'edgeclip-test').catch((reason) => reason);
  expect(error).toMatchObject({
    code: 'IO',
    message: expect.stringMatching(/^the queue at 127\.0\.0\.1:\d+: .*ECONNREFUSED/),
  });
  expect(error.message).not.toContain(encodeURIComponent(PASSWORD));
  await server.run();
});
