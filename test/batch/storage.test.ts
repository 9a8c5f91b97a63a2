/** A folder and a bucket behave as one: names of any kind, ranges, lists of any length, and files that are written once. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../../src/batch/open-storage.ts';
import { readShards } from '../../src/batch/plan.ts';
import { planBatch } from '../../src/batch/planner.ts';
import type { Storage } from '../../src/batch/storage.ts';
import { bucketAt, type Service, startStorage, storageVariables } from './services.ts';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-storage-'));
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (found: Uint8Array | undefined) => found && Buffer.from(found).toString();
let service: Service;
beforeAll(async () => {
  service = await startStorage(join(folder, 'service'));
  await bucketAt(service.port).put('things', new Uint8Array(0));
  Object.assign(process.env, storageVariables(service.port));
});
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

const names = async (storage: Storage, prefix = '') => {
  const found: string[] = [];
  for await (const { name } of storage.list(prefix)) found.push(name);
  return found;
};

describe.each([
  ['a folder', () => openStorage(join(folder, 'place'), { create: true })],
  ['a bucket', () => openStorage('s3://things/in here')],
])('%s', (_, open) => {
  let storage: Storage;
  beforeAll(async () => {
    storage = await open();
  });

  it('writes a file once: who comes second changes nothing', async () => {
    expect(await storage.create('once', bytes('first'))).toBe(true);
    expect(await storage.create('once', bytes('second'))).toBe(false);
    expect(text(await storage.read('once'))).toBe('first');
    const both = await Promise.all([storage.create('race', bytes('a')), storage.create('race', bytes('b'))]);
    expect(both.filter(Boolean)).toHaveLength(1);
    expect(text(await storage.read('race'))).toBe(both[0] ? 'a' : 'b');
  });

  it('reads all of a file, a part of it, and none that is not there', async () => {
    await storage.create('range', bytes('0123456789'));
    expect(text(await storage.read('range', { start: 3, end: 6 }))).toBe('345');
    expect(text(await storage.read('range', { start: 8 }))).toBe('89');
    expect(await storage.read('nothing')).toBeUndefined();
    expect(await storage.find('nothing')).toBeUndefined();
    expect(await storage.find('range')).toMatchObject({ name: 'range', bytes: 10 });
    await expect(storage.read('range', { maxBytes: 9 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    await expect(storage.stream('nothing')).rejects.toMatchObject({ code: 'IO' });
    expect(text(new Uint8Array(await new Response(await storage.stream('range')).arrayBuffer()))).toBe('0123456789');
  });

  it('takes names of any kind, and lists those that begin so', async () => {
    const odd = ['odd/a b+c.png', "odd/it's (1)!*.png", 'odd/größe &<>%20.png', 'odd/写真/x.png'];
    for (const name of odd) await storage.create(name, bytes(name));
    await storage.create('odder.png', bytes('x'));
    expect((await names(storage, 'odd/')).sort()).toEqual([...odd].sort());
    for (const name of odd) expect(text(await storage.read(name))).toBe(name);
    expect(await names(storage, 'odd/a')).toEqual(['odd/a b+c.png']);
  });

  it('lists more than a page', async () => {
    const many = Array.from({ length: 1005 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
    for (let at = 0; at < many.length; at += 50) {
      await Promise.all(many.slice(at, at + 50).map((name) => storage.create(name, bytes(name))));
    }
    expect(await names(storage, 'many/')).toEqual(many);
  });

  it('writes large files, and those too only once', async () => {
    const large = new Uint8Array((64 << 20) + 12345).map((_, i) => i % 251);
    expect(await storage.create('large', large)).toBe(true);
    expect(await storage.create('large', large.subarray(0, 70 << 20))).toBe(false);
    expect(await storage.read('large', { start: (64 << 20) - 3, end: (64 << 20) + 3 })).toEqual(large.slice((64 << 20) - 3, (64 << 20) + 3)); // biome-ignore format: one line
    expect((await storage.find('large'))!.bytes).toBe(large.length);
  });
});

it('leaves nothing of a file that a killed process was writing', async () => {
  const storage = await openStorage(join(folder, 'killed'), { create: true });
  await storage.create('part', bytes('x'));
  rmSync(join(folder, 'killed', 'part'));
  const host = (await import('node:os')).hostname();
  writeFileSync(join(folder, 'killed', `part~${host}~999999~abc.unfinished`), 'half');
  const alive = `other~${host}~${process.pid}~abc.unfinished`;
  writeFileSync(join(folder, 'killed', alive), 'half');
  expect(await names(storage)).toEqual([]);
  // What cannot be removed is told, and does no harm.
  const stuck = `stuck~${host}~999999~abc.unfinished`;
  mkdirSync(join(folder, 'killed', stuck));
  const left: Error[] = [];
  await storage.tidy([''], (error) => left.push(error));
  expect(left).toMatchObject([{ code: 'IO', message: expect.stringMatching(/^cannot remove ".*\/killed\/stuck~.*": .*: it was left by a worker that was killed, and is not a part: remove it$/) }]); // biome-ignore format: one line
  await storage.create('part', bytes('whole'));
  expect(readdirSync(join(folder, 'killed'))).toEqual([alive, 'part', stuck]);
});

it('plans a list that is in a bucket', async () => {
  const bucket = await openStorage('s3://things');
  await bucket.create('lists/names.txt', bytes('a.png\ns3://things/b.png\r\n\n'));
  const output = await openStorage(join(folder, 'planned'), { create: true });
  const settings = { kind: 'list', shardSize: 10, layout: 'parquet', half: false } as const;
  const { plan } = await planBatch('s3://things/lists/names.txt', output, settings);
  const { value } = await readShards(output, plan!).next();
  expect(value.shard.keys).toEqual(['a.png', 's3://things/b.png']);
  await expect(planBatch('s3://things/lists/none.txt', output, { ...settings, moved: true })).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringMatching(/^cannot read the list "s3:\/\/things\/lists\/none.txt": .*status 404/),
  });
});

it('says why a bucket cannot be used', async () => {
  await expect(openStorage('s3:///x')).rejects.toThrow('expected s3://bucket or s3://bucket/prefix, got "s3:///x"');
  const none = await openStorage('s3://no-such-bucket');
  await expect(names(none)).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringMatching(/status 404 \(NoSuchBucket/),
  });
  await expect(none.read('x')).rejects.toThrow('there is no such bucket');
  process.env.AWS_SECRET_ACCESS_KEY = 'wrong';
  const denied = await openStorage('s3://things');
  await expect(denied.read('once')).rejects.toMatchObject({ message: expect.stringMatching(/status 403 \(\w+/) });
  delete process.env.AWS_SECRET_ACCESS_KEY;
  await expect(openStorage('s3://things')).rejects.toThrow(
    'no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  );
  Object.assign(process.env, storageVariables(service.port));
});

it('comes back after refusals, and gives up with the reason', async () => {
  let asked = 0;
  const server = createServer((_, answer) => {
    asked++;
    if (asked === 3) answer.writeHead(200).end('at last');
    else answer.writeHead(asked === 1 ? 500 : 503, { 'retry-after': '0' }).end('<Error><Code>SlowDown</Code></Error>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const storage = await openStorage('s3://any-bucket', {
    endpoint,
    retries: { attempts: 3, pauseMs: 1, longestMs: 2 },
  });
  expect(text(await storage.read('x'))).toBe('at last');
  await expect(storage.read('x')).rejects.toThrow('GET /any-bucket/x: status 503 (SlowDown), 3 times');
  server.closeAllConnections();
  server.close();
  await expect(storage.read('x')).rejects.toThrow(/connect ECONNREFUSED 127\.0\.0\.1:\d+, 3 times/);
});
