/** The shared queue: what fails is tried again and set aside, what was stopped is given back, and workers find batches by its address. */
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BullQueue } from '../../src/batch/bull-queue.ts';
import { pace } from '../../src/batch/pace.ts';
import { announce } from '../../src/batch/queued-batches.ts';
import { openSharedQueue } from '../../src/batch/queues.ts';
import { edgeclip, startEdgeclip } from '../cli/command.ts';
import { FULL_DISK } from './full-disk.ts';
import { writePictures } from './pictures.ts';
import { type Service, startQueue } from './services.ts';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-queue-'));
const at = (name: string) => join(folder, name);
let service: Service;
let url: string;
beforeAll(async () => {
  service = await startQueue(at('queue'));
  url = `redis://127.0.0.1:${service.port}`;
  writePictures(at('photos'), 60);
});
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});
const run = (...args: string[]) => edgeclip(['batch', ...args], { cwd: folder });
const place = (part: number) => ({ part, file: 'plan/plan-00000.jsonl', start: 10 * part, end: 10 * part + 9 });
const result = { pictures: 1, failed: 0, wasThere: false };

it('sets a shard aside after its last attempt, with the reason, and tries it again when told', async () => {
  const queue = await BullQueue.open(url, 'edgeclip-poison', { backoffMs: 20 });
  await queue.add([0, 1].map(place));
  const tried: number[] = [];
  const said: [number, string, boolean][] = [];
  let isPoison = true;
  const work = (attempts?: number) =>
    queue.work(
      async ({ part }) => {
        tried.push(part);
        if (part === 1 && isPoison) throw new Error('no such tar');
        return result;
      },
      new AbortController().signal,
      {
        ...(attempts && { attempts }),
        onFailed: (part, error, isLast) => said.push([part, (error as Error).message, isLast]),
      },
    );
  await work();
  expect(tried.filter((part) => part === 1)).toHaveLength(5);
  expect(said.map(([, , isLast]) => isLast)).toEqual([false, false, false, false, true]);
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [{ part: 1, reason: 'no such tar' }] });
  // A worker may be told another number.
  await queue.retry([]);
  said.length = 0;
  await work(2);
  expect(said.map(([, , isLast]) => isLast)).toEqual([false, true]);
  isPoison = false;
  expect(await queue.retry([])).toBe(1);
  await work();
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
  // Both count as done now; of one the part is gone, and one more was never added.
  expect(await queue.retry([0, 7].map(place))).toBe(2);
  tried.length = 0;
  await work();
  expect(tried.sort()).toEqual([0, 7]);
  await queue.close();
});

it('gives its shard back at SIGTERM; workers that know only the queue end all batches', async () => {
  for (const output of ['one', 'two']) {
    const { code, stderr } = await run('plan', 'photos', '--output', output, '--queue', url, '--shard-size', '12');
    expect(code, stderr).toBe(0);
  }
  const done = (output: string) => readdirSync(at(output)).filter((name) => name.startsWith('part-'));
  const child = startEdgeclip(['batch', 'work', '--queue', url, '--threads', '1', '--lock', '600'], { cwd: folder });
  const ended = once(child, 'exit');
  await expect.poll(() => done('one').length).toBeGreaterThan(0);
  child.kill('SIGTERM');
  expect(await ended).toEqual([1, null]);
  const status = JSON.parse((await run('status', '--output', 'one', '--queue', url, '--json')).stdout);
  expect(status.shards).toMatchObject({ running: 0, waiting: 5 - done('one').length });
  // The lock of ten minutes does not hold up the next worker.
  const { code, stderr } = await run('work', '--queue', url);
  expect(code, stderr).toBe(0);
  for (const name of done('one'))
    expect(readFileSync(at(`one/${name}`)), name).toEqual(readFileSync(at(`two/${name}`)));
  expect([done('one').length, done('two').length]).toEqual([5, 5]);
  const lines = (await run('status', '--queue', url)).stdout.split('\n');
  expect(lines.filter((line) => line.startsWith('shards: 5 of 5 done, 0 running, 0 waiting'))).toHaveLength(2);
  expect(lines[0]).toBe(at('one'));
});

it('makes a part again that was removed, once it is told', async () => {
  rmSync(at('one/part-00003.parquet'));
  const missing = await run('work', '--output', 'one', '--queue', url);
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('1 of 5 shards has no part')]);
  const byQueue = await run('work', '--queue', url); // in which nothing waits or runs
  expect([byQueue.code, byQueue.stderr]).toEqual([
    1,
    expect.stringMatching(/one: 1 of 5 shards has no part: .*--retry/),
  ]);
  expect((await run('status', '--output', 'one', '--queue', url, '--retry')).stdout).toContain(
    '1 shard is tried again',
  );
  expect((await run('work', '--output', 'one', '--queue', url)).code).toBe(0);
  expect(readFileSync(at('one/part-00003.parquet'))).toEqual(readFileSync(at('two/part-00003.parquet')));
});

it('goes on with the next batch where the output of one is gone', async () => {
  mkdirSync(at('more'));
  writeFileSync(at('more/x.png'), readFileSync(at('photos/0/000000.png')));
  for (const output of ['gone', 'there']) await run('plan', 'more', '--output', output, '--queue', url);
  rmSync(at('gone'), { recursive: true });
  const { code, stderr } = await run('work', '--queue', url);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/error: .*gone.*\npart 0: 1 picture/)]);
  const status = await run('status', '--queue', url);
  expect([status.code, status.stderr]).toEqual([1, expect.stringMatching(/error: .*gone/)]);
  expect(status.stdout).toContain(`${at('there')}\nshards: 1 of 1 done`);
  expect((await run('work')).stderr).toContain('give --output PLACE, or --queue URL');
});

it('forgets a batch when told, also one whose output is gone, and takes it back when it is planned again', async () => {
  const gone = await run('status', '--queue', url);
  const [, id] = /edgeclip batch forget (\S+) --queue URL takes it from the queue/.exec(gone.stderr)!;
  const forgotten = await run('forget', id!, '--queue', url);
  expect([forgotten.code, forgotten.stdout]).toEqual([0, `${at('gone')} (${id}) is forgotten, with 1 shard that waited\n`]); // biome-ignore format: one line
  expect((await run('forget', 'gone', '--queue', url)).stderr).toContain('the queue has no batch "gone"');
  const rest = await run('status', '--queue', url);
  expect([rest.code, rest.stdout.match(/^\//gm)]).toEqual([0, ['/', '/', '/']]);
  expect((await run('work', '--queue', url)).code).toBe(0);

  const { queue } = JSON.parse((await run('status', '--output', 'there', '--queue', url, '--json')).stdout);
  expect((await run('forget', queue, '--queue', url)).stdout).toContain('is forgotten\n');
  expect((await run('status', '--queue', url)).stdout).not.toContain(at('there'));
  const part = readFileSync(at('there/part-00000.parquet'));
  rmSync(at('there/part-00000.parquet'));
  await run('plan', 'more', '--output', 'there', '--queue', url);
  expect((await run('work', '--queue', url)).stderr).toBe('part 0: 1 picture\n');
  expect(readFileSync(at('there/part-00000.parquet'))).toEqual(part);

  // Another batch in the same place.
  rmSync(at('there'), { recursive: true });
  await run('plan', 'more', '--output', 'there', '--queue', url);
  const both = await run('status', '--queue', url);
  expect([both.code, both.stderr]).toEqual([1, expect.stringMatching(/there has another batch now: if this batch is over, edgeclip batch forget/)]); // biome-ignore format: one line
  expect((await run('work', '--queue', url)).code).toBe(0);
  expect((await run('forget', 'there', '--queue', url)).stdout.match(/is forgotten/g)).toHaveLength(2);
});

it('tells where each shard without a part is: a queue may have lost some, and get back what is missing alone', async () => {
  const place = ['--output', 'parted', '--queue', url];
  const shards = async (...options: string[]) => {
    const { stdout, stderr } = await run('status', ...place, '--json', ...options);
    expect(stderr).toBe('');
    return JSON.parse(stdout).shards;
  };
  await run('plan', 'photos', ...place, '--shard-size', '12');
  await run('work', '--output', 'parted'); // beside the queue
  for (const part of [2, 4]) rmSync(at(`parted/part-0000${part}.parquet`));
  expect(await shards()).toMatchObject({ done: 3, waiting: 2, lost: 0 }); // all five wait, and three are there
  await run('forget', 'parted', '--queue', url);
  expect(await shards()).toMatchObject({ done: 3, waiting: 0, lost: 2 });
  expect((await run('status', ...place)).stdout).toContain('not in the queue: 2 shards without a part (--retry adds them)'); // biome-ignore format: one line
  expect(await shards('--retry')).toMatchObject({ waiting: 2, lost: 0 });
  expect((await run('status', '--queue', url)).stdout).toContain(`${at('parted')}\nshards: 3 of 5 done, 0 running, 2 waiting`); // biome-ignore format: one line
  await run('forget', 'parted', '--queue', url);
  await run('plan', 'photos', ...place);
  const again = await run('work', '--queue', url);
  expect([again.code, again.stderr.split('\n').sort()]).toEqual([0, ['', 'part 2: 12 pictures', 'part 4: 12 pictures']]); // biome-ignore format: one line
  // The rate is that of the two that a worker of the queue had.
  const { queue: name, perSecond } = JSON.parse((await run('status', ...place, '--json')).stdout);
  const queue = await BullQueue.open(url, name);
  const { done } = await queue.shards();
  await queue.close();
  expect(done.map(({ pictures }) => pictures)).toEqual([12, 12]);
  expect(perSecond).toBe(pace(done));
});

it('forgets no batch of which shards are at work, unless it must', async () => {
  const queue = await openSharedQueue(url, 'busy');
  await announce(url, { id: 'busy', output: '/busy' });
  await queue.add([0, 1].map(place));
  let begun = () => {};
  const isBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let end = () => {};
  const isEnded = new Promise<void>((resolve) => {
    end = resolve;
  });
  const handler = async () => {
    begun();
    await isEnded;
    return result;
  };
  const working = queue.work(handler, new AbortController().signal);
  await isBegun;
  const refused = await run('forget', 'busy', '--queue', url);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('/busy: 1 shard is at work: end the workers first, or add --force')]); // biome-ignore format: one line
  expect((await run('forget', 'busy', '--queue', url, '--force')).stdout).toContain('with 1 shard that waited');
  end();
  await working; // its queue is empty
  expect(await queue.status()).toEqual({ waiting: 0, running: 0, failed: [] });
  await queue.close();
});

it('gives its shard back where the disk is full', async () => {
  await run('plan', 'photos/1', '--output', 'full', '--queue', url, '--shard-size', '3');
  const { code, stderr } = await edgeclip(['batch', 'work', '--output', 'full', '--queue', url, '--lock', '600'], { cwd: folder, imports: [FULL_DISK] }); // biome-ignore format: one line
  expect([code, stderr]).toEqual([1, `error: cannot write "full/part-00000.parquet": no space is left on the device [IO]\n`]); // biome-ignore format: one line
  const { shards } = JSON.parse((await run('status', '--output', 'full', '--queue', url, '--json')).stdout);
  expect(shards).toEqual({ done: 0, total: 2, waiting: 2, running: 0, lost: 0, failed: [] });
  // Another worker, with room, goes on at once.
  expect((await run('work', '--output', 'full', '--queue', url)).code).toBe(0);
  expect(readdirSync(at('full')).sort()).toEqual(['part-00000.parquet', 'part-00001.parquet', 'plan']);
});

it('says before a plan is made what the queue lacks', async () => {
  const nobody = await run('plan', 'photos', '--output', 'none', '--queue', 'redis://127.0.0.1:1');
  expect([nobody.code, nobody.stderr]).toEqual([
    1,
    expect.stringMatching(/^error: the queue at 127\.0\.0\.1:1: .* \[IO\]\n$/),
  ]);
  for (const [name, address] of [
    ['ioredis', url],
    ['pg', 'postgres://127.0.0.1:1/x'],
  ] as const) {
    const module = `
import Module from 'node:module';
const { _resolveFilename } = Module;
Module._resolveFilename = function (name, ...rest) {
  if (name === '${name}') throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
  return _resolveFilename.call(this, name, ...rest);
};`;
    const imports = [`data:text/javascript,${encodeURIComponent(module)}`];
    const args = ['batch', 'plan', 'photos', '--output', 'none', '--queue', address];
    const { code, stderr } = await edgeclip(args, { cwd: folder, imports });
    expect([code, stderr]).toEqual([1, `error: for --queue the package ${name} is needed: npm install ${name} [UNSUPPORTED]\n`]); // biome-ignore format: one line
  }
  const refused = {
    'expected an address of redis://, rediss:// or postgres://, got one of "amqp"': ['--queue', 'amqp://u:secret@h'],
    'the endpoint must begin with http:// or https://, got "localhost:9000"': ['--endpoint', 'localhost:9000'],
    'expected s3://bucket or s3://bucket/prefix, got "s3://A"': ['--output', 's3://A'],
  };
  for (const [what, options] of Object.entries(refused)) {
    const { code, stderr } = await run('plan', 'photos', '--output', 'none', ...options);
    expect([code, stderr.split('\n')[0]]).toEqual([2, `error: ${options[0]}: ${what}`]);
  }
  expect(existsSync(at('none'))).toBe(false);
});
