/** A worker in Deno and in Bun: the bucket, the queue and the bytes of the parts are those of Node. Needs the runtimes of test/runtimes. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'rolldown';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStorage } from '../../src/batch/open-storage.ts';
import { projectPath } from '../cli/command.ts';
import { smallPictures } from './pictures.ts';
import { bucketAt, type Service, startQueue, startStorage, storageVariables } from './services.ts';

const MAIN = join(projectPath, 'dist/cli/main.js');
const installed = (name: string) => join(projectPath, 'test/runtimes/node_modules', name);
const RUNTIMES = {
  node: [process.execPath],
  deno: [installed('@deno/linux-x64-glibc/deno'), 'run', '--allow-all', '--quiet'],
  bun: [installed('@oven/bun-linux-x64/bin/bun')],
};
const folder = mkdtempSync(join(tmpdir(), 'edgeclip-runtimes-'));
let storage: Service;
let queue: Service;
let expected: Map<string, Uint8Array>;

beforeAll(async () => {
  storage = await startStorage(join(folder, 'storage'));
  queue = await startQueue(join(folder, 'queue'));
  Object.assign(process.env, storageVariables(storage.port));
  const bucket = bucketAt(storage.port);
  for (const name of ['photos', 'vectors']) await bucket.put(name, new Uint8Array(0));
  for (const { name, bytes } of smallPictures(12)) await bucket.put(`photos/${name}`, bytes);
  expected = await partsOf('node');
}, 300_000);
afterAll(async () => {
  await queue.stop();
  await storage.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Plans, works and asks for the status in a runtime; the parts. */
async function partsOf(runtime: keyof typeof RUNTIMES): Promise<Map<string, Uint8Array>> {
  const [program, ...args] = RUNTIMES[runtime] as [string, ...string[]];
  const output = ['--output', `s3://vectors/${runtime}`, '--queue', `redis://127.0.0.1:${queue.port}`];
  const run = async (...command: string[]) =>
    (await promisify(execFile)(program, [...args, MAIN, 'batch', ...command, ...output], { cwd: folder })).stdout;
  await run('plan', 's3://photos', '--shard-size', '6');
  await run('work');
  expect(await run('status')).toContain(
    'shards: 2 of 2 done, 0 running, 0 waiting, 0 set aside\npictures: 12 done, 0 of',
  );
  const place = await openStorage(`s3://vectors/${runtime}`);
  const parts = new Map<string, Uint8Array>();
  for await (const { name } of place.list('part-')) parts.set(name, (await place.read(name))!);
  return parts;
}

it.each(['deno', 'bun'] as const)('works in %s', async (runtime) => {
  const parts = await partsOf(runtime);
  expect([...parts.keys()]).toEqual(['part-00000.parquet', 'part-00001.parquet']);
  for (const [name, bytes] of expected) expect(Buffer.compare(parts.get(name)!, bytes), name).toBe(0);
});

it('writes what a bucket takes in several requests, once, in each runtime', async () => {
  const program = join(folder, 'multipart.mjs');
  const input = join(projectPath, 'test/batch/multipart.ts');
  await build({ input, output: { file: program, codeSplitting: false }, platform: 'node', resolve: { conditionNames: ['edgeclip-source', 'node', 'import'] }, external: ['hyparquet', 'hyparquet-writer', 'modern-tar', 'bullmq'], logLevel: 'silent' }); // biome-ignore format: one line
  const said: string[] = [];
  for (const [name, [runtime, ...args]] of Object.entries(RUNTIMES)) {
    await bucketAt(storage.port).put(`large-${name}`, new Uint8Array(0));
    said.push((await promisify(execFile)(runtime!, [...args, program, `s3://large-${name}`], { cwd: folder })).stdout);
  }
  expect(JSON.parse(said[0]!)).toMatchObject({ written: [true, false], bytes: 65 << 20 });
  expect(said).toEqual(said.map(() => said[0]));
});
