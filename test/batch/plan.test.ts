/** `edgeclip batch plan`: what becomes of an input, and a plan that was cut, changed or moved. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'; // biome-ignore format: one line
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LocalQueue } from '../../src/batch/local-queue.ts';
import { openStorage } from '../../src/batch/open-storage.ts';
import { readPlan, readShard, readShards } from '../../src/batch/plan.ts';
import { PlanWriter } from '../../src/batch/plan-writer.ts';
import { edgeclip } from '../cli/command.ts';
import { golden, useBatchFolder } from './batch-folder.ts';

const folder = useBatchFolder(120);
const { at, run, plan, parts } = folder;

it('refuses a plan that was cut or changed, and names the line', async () => {
  await plan('photos', '--output', 'damaged', '--shard-size', '6');
  const path = at('damaged/plan/plan-00000.jsonl');
  const whole = readFileSync(path, 'utf8');
  const lines = whole.split('\n');
  const changes: [string, RegExp][] = [
    [lines.slice(0, -2).join('\n'), /plan-00000\.jsonl: it has 19 shards of 20: it was cut/],
    [`${lines.slice(0, -2).join('\n')}\n`, /it has 19 shards of 20: it was cut/],
    [whole.slice(0, -9), /line 21: it is not JSON/],
    [whole.replace('"layout":"parquet"', '"layout":"clip-retrieval"'), /line 1: it was changed/],
    [whole.replace('/000007.png', '/000008.png'), /line \d+: it was changed/],
    [whole.replace(lines[3]!, lines[4]!), /line 4: expected part 2, got 3/],
    ['', /line 1: it is empty/],
  ];
  for (const [text, message] of changes) {
    writeFileSync(path, text);
    const { code, stderr } = await run('batch', 'plan', 'photos', '--output', 'damaged');
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
  }
  writeFileSync(path, changes[0]![0]);
  const output = await openStorage(at('damaged'));
  const handler = async () => ({ pictures: 1, failed: 0, wasThere: false });
  const queue = new LocalQueue((await readPlan(output))!, output);
  await expect(queue.work(handler, new AbortController().signal)).rejects.toThrow('19 shards of 20');
  rmSync(path);
  writeFileSync(at('damaged/part-00000.parquet'), '');
  expect((await run('batch', 'plan', 'photos', '--output', 'damaged')).stderr).toContain('has parts but no plan');
});

it('keeps a plan in files that a reader can hold, and goes on after it was stopped', async () => {
  const output = await openStorage(at('files'), { create: true });
  const head = { id: 'x', input: at('photos'), kind: 'files', base: '/', layout: 'parquet', half: false } as const;
  const keys = Array.from({ length: 95 }, (_, i) => `${i}/${'name'.repeat(10)}`);
  const write = async (some: readonly string[], files: number, shards: number) => {
    const writer = new PlanWriter({ output, head, files, shards, shardSize: 10, fileBytes: 2000 });
    for (const key of some) await writer.addPicture(key);
    await writer.end(false);
    return writer.places;
  };
  const places = [...(await write(keys.slice(0, 65), 0, 0)), ...(await write(keys.slice(65), 2, 7))];
  const found = (await readPlan(output))!;
  expect([found.files.length, found.shards]).toEqual([3, 10]);
  const read = [];
  for await (const { shard, place } of readShards(output, found)) {
    expect(await readShard(output, place)).toEqual(shard);
    read.push({ shard, place });
  }
  expect(read.flatMap(({ shard }) => shard.keys)).toEqual(keys);
  expect(read.map(({ place }) => place)).toEqual(places);
  await expect(write(['again'], 1, 0)).rejects.toThrow('another run has planned');
});

it('finds pictures that were moved, and plans what is new beside them', async () => {
  await plan('photos/2', '--output', 'moved', '--shard-size', '6');
  await plan('photos/2', '--output', 'stayed', '--shard-size', '6');
  expect((await run('batch', 'work', '--output', 'stayed')).code).toBe(0);
  renameSync(at('photos/2'), at('elsewhere'));
  try {
    const lost = await run('batch', 'plan', 'elsewhere', '--output', 'moved');
    expect([lost.code, lost.stderr]).toEqual([1, expect.stringContaining('add --moved if the same pictures are there now')]); // biome-ignore format: one line
    expect((await run('batch', 'work', '--output', 'moved', '--input', 'elsewhere')).code).toBe(0);
    for (const name of parts('stayed')) {
      expect(Buffer.compare(readFileSync(at(`moved/${name}`)), readFileSync(at(`stayed/${name}`))), name).toBe(0);
    }
    rmSync(at('moved/part-00001.parquet'));
    expect(await plan('elsewhere', '--output', 'moved', '--moved')).toBe('0 pictures in 0 shards, 12 were planned before\n'); // biome-ignore format: one line
    expect((await run('batch', 'work', '--output', 'moved')).code).toBe(0);
    expect(parts('moved')).toEqual(parts('stayed'));
  } finally {
    renameSync(at('elsewhere'), at('photos/2'));
  }
});

it('plans and works beside folders that the user must not read, and says which', async () => {
  const closed = { 'theirs/closed': 0o000, 'theirs/names-only': 0o444, 'disk/lost+found': 0o000 };
  for (const folder of Object.keys(closed)) mkdirSync(at(folder), { recursive: true });
  for (const name of ['a', 'closed/b', 'names-only/c', 'z']) copyFileSync(join(golden, 'cat.png'), at(`theirs/${name}.png`)); // biome-ignore format: one line
  for (const [folder, mode] of Object.entries({ ...closed, '..': 0o755, disk: 0o777 })) chmodSync(at(folder), mode);
  try {
    const user = { cwd: folder.path, asNobody: true };
    const planned = await edgeclip(['batch', 'plan', 'theirs', '--output', 'disk'], user);
    expect([planned.code, planned.stdout]).toEqual([1, expect.stringMatching(/^2 pictures in 1 shard/)]);
    expect(planned.stderr.trimEnd().split('\n')).toEqual(['closed/', 'names-only/c.png'].map((name) => `error: "theirs/${name}": permission denied [IO]`)); // biome-ignore format: one line
    const worked = await edgeclip(['batch', 'work', '--output', 'disk'], user);
    expect([worked.code, worked.stderr]).toEqual([0, 'part 0: 2 pictures\n']);
  } finally {
    for (const folder of Object.keys(closed)) chmodSync(at(folder), 0o755);
  }
});

it('says what is wrong with an input, and makes no output for it', async () => {
  mkdirSync(at('empty'));
  const cases: [string[], number, string][] = [
    [['empty'], 1, 'empty has no pictures [IO]'],
    [['none'], 1, '"none": there is no such file [IO]'],
    [
      ['http://x/y.png'],
      2,
      '"http://x/y.png" is an address: write addresses into a file, one per line, and add --list',
    ],
  ];
  for (const [input, code, message] of cases) {
    const { code: ended, stderr } = await run('batch', 'plan', ...input, '--output', 'not-made');
    expect([ended, stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(existsSync(at('not-made'))).toBe(false);
  }
  writeFileSync(at('relative.txt'), 'cat.png\n');
  await plan('relative.txt', '--list', '--output', 'relative');
  const { code, stderr } = await edgeclip(['batch', 'plan', at('relative.txt'), '--list', '--output', '../relative'], { cwd: at('empty') }); // biome-ignore format: one line
  expect([code, stderr]).toEqual([1, expect.stringContaining(`was planned in "${folder.path}", where its relative paths begin, not in "${at('empty')}": plan there, add --moved`)]); // biome-ignore format: one line
});

it('says why an output cannot be made', async () => {
  const { code, stderr } = await run('batch', 'plan', 'photos', '--output', '/proc/nope/deeper');
  expect([code, stderr]).toEqual([1, expect.stringContaining('"/proc/nope/deeper": there is no such file')]);
  expect((await run('batch', 'plan', 'photos', '--output', 'photos/0/000000.png/out')).stderr).toContain(
    'a file, not a folder',
  );
});
