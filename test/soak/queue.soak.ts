/**
 * What one queue bears: thousands of workers with BullMQ's own client and no model, what they ask of it while they compute and while
 * they wait for the last one, empty shards as fast as they go, and what workers that are killed repeat. Prints its figures
 * (docs/scale.md). The long form has 10,000 workers, and needs as many open files. Needs the services of test/batch/services.ts.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BullQueue } from '../../src/batch/bull-queue.ts';
import { seeded } from '../../src/eval/seeded.ts';
import { type Service, startQueue } from '../batch/services.ts';
import { PostgresServer } from '../postgres/server.ts';
import { minutes } from './duration.ts';

const PROGRAM = fileURLToPath(new URL('queue-workers.ts', import.meta.url));
const LOCK = 30;
const isLong = minutes >= 5;
const folder = mkdtempSync(join(tmpdir(), 'edgeclip-queue-'));
let service: Service;
let url: string;
let redis: Redis;
const started: ChildProcess[] = [];
beforeAll(async () => {
  service = await startQueue(folder);
  url = `redis://127.0.0.1:${service.port}`;
  redis = new Redis(url);
  redis.on('error', () => {}); // a command says it
});
afterAll(async () => {
  redis.disconnect();
  for (const child of started) child.kill('SIGKILL');
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The queue's server at a moment. */
interface Moment {
  readonly time: number;
  readonly commands: number;
  readonly cpu: number;
  readonly memory: number;
  readonly clients: number;
}

async function moment(): Promise<Moment> {
  const text = await redis.info();
  const [commands, user, system, memory, clients] = ['total_commands_processed', 'used_cpu_user', 'used_cpu_sys', 'used_memory', 'connected_clients'].map((name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)![1])); // biome-ignore format: one line
  return { time: performance.now() / 1000, commands: commands!, cpu: user! + system!, memory: memory!, clients: clients! }; // biome-ignore format: one line
}

/** What the server did between two moments, a second. */
function rates(from: Moment, to: Moment) {
  const seconds = to.time - from.time;
  return { seconds, commands: (to.commands - from.commands) / seconds, cpu: (to.cpu - from.cpu) / seconds };
}

const places = (count: number) =>
  Array.from({ length: count }, (_, part) => ({ part, file: 'plan/plan-00000.jsonl', start: 100 * part, end: 100 * part + 99 })); // biome-ignore format: one line

interface Workers {
  /** Default: Valkey's. */
  readonly at?: string;
  readonly name: string;
  readonly workers: number;
  readonly seconds: number;
  readonly lock?: number;
  readonly held?: number;
}

function start({ at = url, name, workers, seconds, lock = LOCK, held = -1 }: Workers): ChildProcess {
  const args = [at, name, ...[workers, seconds, lock, held].map(String)];
  const child = fork(PROGRAM, args, { execArgv: ['--import', 'tsx', '--conditions=edgeclip-source'] });
  started.push(child);
  return child;
}

const until = async (check: () => boolean) => {
  while (!check()) await wait(20);
};

it('bears many workers', async () => {
  const [processes, workers, seconds, shards] = isLong ? [4, 2500, 20, 40_000] : [1, 200, 4, 600];
  const name = 'edgeclip-many';
  await redis.config('SET', 'maxclients', String(processes * workers + 1000));
  const queue = await BullQueue.open(url, name);
  const empty = await moment();
  await queue.add(places(shards));
  const added = await moment();
  const done = new Map<number, number>();
  let begun = 0;
  const children = Array.from({ length: processes }, () => start({ name, workers, seconds, held: shards - 1 }));
  for (const child of children) {
    child.on('message', (message) => {
      if (message === 'begun') begun++;
      else if (Array.isArray(message) && message[1]) done.set(message[0], (done.get(message[0]) ?? 0) + 1);
    });
  }
  const ended = Promise.all(children.map((child) => once(child, 'exit')));
  await until(() => begun === processes);
  for (const child of children) child.send('go');
  await until(() => done.size >= processes * workers); // the first ones ended together
  const [from, doneBefore] = [await moment(), done.size];
  await until(() => done.size >= shards - processes * workers);
  const [to, doneAfter] = [await moment(), done.size];
  await until(() => done.size === shards - 1);
  await wait(isLong ? 20_000 : 5000); // until the idle ones ask as seldom as they do
  const idle = await moment();
  await wait(isLong ? 30_000 : 5000);
  const last = await moment();
  for (const child of children) child.send('release');
  expect((await ended).map(([code]) => code)).toEqual(children.map(() => 0));
  expect(done.size).toBe(shards);
  expect([...done.values()].every((times) => times === 1)).toBe(true);
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
  const after = await moment();
  await queue.close();

  const [busy, waiting] = [rates(from, to), rates(idle, last)];
  const each = (doneAfter - doneBefore) / busy.seconds;
  const count = processes * workers;
  // Some 27 commands a shard; workers that ask every second whether the queue is empty would have 6 more for each second of theirs.
  expect(busy.commands / each).toBeLessThan(40);
  // One look and one wait every 5 to 8 seconds, of a few commands each.
  expect(waiting.commands / count).toBeLessThan(3);
  console.log(`${count} workers, ${from.clients} connections of ${((from.memory - added.memory) / (from.clients - added.clients) / 1024).toFixed(1)} kB; ${((added.memory - empty.memory) / shards).toFixed(0)} bytes a shard that waits, ${((after.memory - empty.memory) / shards).toFixed(0)} one that is done`); // biome-ignore format: one line
  console.log(`shards of ${seconds} s: ${each.toFixed(0)} a second, ${busy.commands.toFixed(0)} commands a second, ${(busy.commands / each).toFixed(1)} a shard; ${(100 * busy.cpu).toFixed(1)} % of a core, ${((1000 * busy.cpu) / each).toFixed(2)} ms a shard`); // biome-ignore format: one line
  console.log(`while all but one wait: ${waiting.commands.toFixed(0)} commands a second, ${(100 * waiting.cpu).toFixed(1)} % of a core`); // biome-ignore format: one line
});

it('hands out empty shards as fast as it goes', async () => {
  const [processes, workers, shards] = isLong ? [2, 100, 60_000] : [1, 20, 2000];
  const name = 'edgeclip-empty';
  const queue = await BullQueue.open(url, name);
  await queue.add(places(shards));
  const from = await moment();
  let done = 0;
  const children = Array.from({ length: processes }, () => start({ name, workers, seconds: 0 }));
  for (const child of children) child.send('go');
  for (const child of children)
    child.on('message', (message) => (done += Array.isArray(message) && message[1] ? 1 : 0));
  await until(() => done > shards / 10);
  const [early, doneEarly] = [await moment(), done];
  await until(() => done > 0.9 * shards);
  const [late, doneLate] = [await moment(), done];
  await Promise.all(children.map((child) => once(child, 'exit')));
  expect(done).toBe(shards);
  await queue.close();
  const { seconds, cpu } = rates(early, late);
  const each = (doneLate - doneEarly) / seconds;
  console.log(`${shards} empty shards, ${processes * workers} workers: ${each.toFixed(0)} a second here; ${((1000 * cpu) / each).toFixed(3)} ms of the server's core each, so it bears ${(each / cpu).toFixed(0)} a second; ${((late.commands - from.commands) / doneLate).toFixed(1)} commands each`); // biome-ignore format: one line
});

it('hands out empty shards on PostgreSQL', async () => {
  const [workers, shards] = isLong ? [12, 6000] : [4, 200];
  const server = await PostgresServer.start();
  try {
    const [at, name] = [server.address(), 'edgeclip-empty'];
    const queue = await BullQueue.open(at, name);
    await queue.add(places(shards));
    const client = new Client(at);
    await client.connect();
    const transactions = async () => {
      const { rows } = await client.query('SELECT sum(xact_commit)::int AS count FROM pg_stat_database');
      return rows[0].count as number;
    };
    const before = await transactions();
    const done: number[] = [];
    let [early, late] = [0, 0];
    const child = start({ at, name, workers, seconds: 0 });
    child.send('go');
    child.on('message', (message) => {
      if (!Array.isArray(message) || !message[1]) return;
      done.push(message[0]);
      if (done.length === shards / 10) early = performance.now();
      if (done.length === 0.9 * shards) late = performance.now();
    });
    await once(child, 'exit');
    expect(done.sort((a, b) => a - b)).toEqual(places(shards).map(({ part }) => part));
    expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
    const each = (await transactions()) - before;
    console.log(`PostgreSQL: ${shards} empty shards, ${workers} workers: ${((800 * shards) / (late - early)).toFixed(0)} a second here, ${(each / shards).toFixed(1)} transactions each`); // biome-ignore format: one line
    await client.end();
    await queue.close();
  } finally {
    await server.remove();
  }
});

it('repeats as much as the formula says when workers are killed', async () => {
  const [workers, shards, rate] = isLong ? [12, 600, 0.25] : [4, 24, 0.25]; // kills a second of a worker; a shard takes a second
  const name = 'edgeclip-killed';
  const queue = await BullQueue.open(url, name);
  await queue.add(places(shards));
  const random = seeded(20);
  let [computed, ends, repeated, kills] = [0, 0, 0, 0];
  const worker = async () => {
    for (;;) {
      const child = start({ name, workers: 1, seconds: 1, lock: 2 });
      let began: number | undefined;
      const lifetime = -Math.log(1 - random()) / rate;
      let timer: ReturnType<typeof setTimeout> | undefined;
      child.send('go');
      child.on('message', (message) => {
        if (message === 'begun') timer = setTimeout(() => child.kill('SIGKILL'), 1000 * lifetime);
        if (!Array.isArray(message)) return;
        const now = performance.now() / 1000;
        if (message[1]) {
          computed += now - began!;
          ends++;
        }
        began = message[1] ? undefined : now;
      });
      const [code, signal] = await once(child, 'exit');
      clearTimeout(timer);
      if (signal !== 'SIGKILL') {
        expect(code).toBe(0);
        return; // the queue is empty
      }
      kills++;
      if (began !== undefined) repeated += performance.now() / 1000 - began;
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  // Not by the messages: a worker may be killed between a shard's end and the news of it.
  expect(await redis.zcard(`bull:${name}:completed`)).toBe(shards);
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
  await queue.close();
  const mean = computed / ends;
  const expected = Math.expm1(rate * mean) / (rate * mean) - 1;
  console.log(`${kills} kills, ${shards} shards of ${mean.toFixed(2)} s: ${((100 * repeated) / computed).toFixed(1)} % repeated, ${(100 * expected).toFixed(1)} expected`); // biome-ignore format: one line
  expect(kills).toBeGreaterThan(0);
  // Each kill costs between nothing and a shard, at random: three standard deviations. Few kills, or a machine without time to
  // spare, say nothing of the formula.
  const spread = 3 * Math.sqrt(4 / 3 / (rate * computed));
  if (isLong) expect(Math.abs(repeated / computed / expected - 1)).toBeLessThan(spread);
});
