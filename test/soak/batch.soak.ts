/**
 * `edgeclip batch` at length: the troubles of test/batch with 5,000 pictures; two workers against one; what the queue costs and bears;
 * a worker's memory over many pictures. Prints its figures. Needs `npm run build` and the services of test/batch/services.ts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { median } from '../../bench/median.js';
import { BullQueue } from '../../src/batch/bull-queue.ts';
import { chaos } from '../batch/chaos.ts';
import { writePictures } from '../batch/pictures.ts';
import { type Service, startQueue } from '../batch/services.ts';
import { minutes } from './duration.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const isLong = minutes >= 5;
const folder = mkdtempSync(join(tmpdir(), 'edgeclip-batch-'));
let service: Service;
let url: string;
beforeAll(async () => {
  service = await startQueue(join(folder, 'queue'));
  url = `redis://127.0.0.1:${service.port}`;
});
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function edgeclip(args: readonly string[], onStart: (pid: number) => void = () => {}): Promise<void> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  onStart(child.pid!);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${args.join(' ')}: ${said}`);
}

it('has every picture once, in the bytes of a quiet run', async () => {
  const pictures = isLong ? 5000 : 300;
  const place = join(folder, 'chaos');
  const { troubled, quiet, refused, codes } = await chaos({
    folder: place,
    pictures,
    shardSize: isLong ? 50 : 20,
    lock: isLong ? 30 : 3,
    stopSeconds: isLong ? 75 : 8,
    cutSeconds: isLong ? 10 : 3,
  });
  expect([...troubled.keys()].sort()).toEqual([...quiet.keys()].sort());
  for (const [name, bytes] of quiet) expect(Buffer.compare(troubled.get(name)!, bytes), name).toBe(0);
  console.log(`${pictures} pictures in ${quiet.size} parts, ${refused} requests refused, workers ended with ${codes.join(', ')}: equal bytes`); // biome-ignore format: one line
});

it('is nearly twice as fast with two workers', async () => {
  const pictures = isLong ? 1200 : 120;
  writePictures(join(folder, 'two'), pictures);
  const seconds: Record<number, number[]> = { 1: [], 2: [] };
  for (let round = 0; round < (isLong ? 3 : 1); round++) {
    for (const workers of [1, 2]) {
      const output = `two-${round}-${workers}`;
      await edgeclip([
        'batch',
        'plan',
        'two',
        '--output',
        output,
        '--shard-size',
        String(pictures / 24),
        '--queue',
        url,
      ]);
      const work = ['batch', 'work', '--output', output, '--threads', '1', '--queue', url];
      const start = performance.now();
      await Promise.all(Array.from({ length: workers }, () => edgeclip(work)));
      seconds[workers]!.push((performance.now() - start) / 1000);
    }
  }
  const [one, two] = [median(seconds[1]!), median(seconds[2]!)];
  console.log(`${pictures} pictures: one worker ${one.toFixed(1)} s, two ${two.toFixed(1)} s, ${(one / two).toFixed(2)} times`); // biome-ignore format: one line
});

it('bears many shards a second', async () => {
  const queue = await BullQueue.open(url, 'edgeclip-empty');
  const shards = isLong ? 10_000 : 500;
  const places = Array.from({ length: shards }, (_, part) => ({ part, file: 'plan/plan-00000.jsonl', start: part, end: part + 1 })); // biome-ignore format: one line
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await info('stats'))![1]);
  const before = { time: performance.now(), commands: await commands(), memory: await memory() };
  await queue.add(places);
  const added = performance.now();
  const peak = await memory();
  let done = 0;
  await queue.work(async () => ({ pictures: 0, failed: 0, wasThere: true }), new AbortController().signal, {
    onDone: () => done++,
  });
  const ended = performance.now();
  expect(done).toBe(shards);
  const each = (ended - added) / shards;
  const used = (await commands()) - before.commands;
  console.log(`${shards} shards: ${(each).toFixed(2)} ms and ${(used / shards).toFixed(1)} commands each with one worker; added in ${(added - before.time).toFixed(0)} ms; ${Math.round((peak - before.memory) / shards)} bytes each in the queue`); // biome-ignore format: one line
  await queue.close();
});

it("keeps a worker's memory flat", async () => {
  const pictures = isLong ? 50_000 : 400;
  writePictures(join(folder, 'flat'), pictures);
  await edgeclip(['batch', 'plan', 'flat', '--output', 'flat-out', '--shard-size', String(pictures / 50)]);
  const resident: number[] = [];
  let timer: ReturnType<typeof setInterval> | undefined;
  await edgeclip(['batch', 'work', '--output', 'flat-out'], (pid) => {
    timer = setInterval(
      () => {
        try {
          resident.push(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024);
        } catch {
          // it has ended
        }
      },
      isLong ? 1000 : 50,
    );
  });
  clearInterval(timer);
  const fifths = [0, 1, 2, 3, 4].map((i) => median(resident.slice((i / 5) * resident.length, ((i + 1) / 5) * resident.length))); // biome-ignore format: one line
  console.log(`${pictures} pictures: resident ${fifths.map((mb) => mb.toFixed(0)).join(', ')} MB in each fifth of the time; most ${Math.max(...resident).toFixed(0)}`); // biome-ignore format: one line
  // The first parts fill the allocator's pools: 160 parts of 2,500 without a model level off after the tenth, and stay within 10 MB.
  if (isLong) expect(fifths[4]! - median(fifths.slice(0, 4))).toBeLessThan(20);
});

async function info(section: string): Promise<string> {
  const { Redis } = await import('ioredis');
  const redis = new Redis(url);
  try {
    return await redis.info(section);
  } finally {
    redis.disconnect();
  }
}

const memory = async () => Number(/used_memory:(\d+)/.exec(await info('memory'))![1]);
