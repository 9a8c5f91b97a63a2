/** The queue on PostgreSQL: the same rules as on Redis. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BullQueue } from '../../src/batch/bull-queue.ts';
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
