/** `edgeclip batch` on one machine: what is planned is there once, whatever happens, in the same bytes. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LocalQueue } from '../../src/batch/local-queue.ts';
import { openStorage } from '../../src/batch/open-storage.ts';
import { readPlan } from '../../src/batch/plan.ts';
import { edgeclip, startEdgeclip } from '../cli/command.ts';
import { SLOW_PICTURES } from '../cli/slow-pictures.ts';
import { golden, useBatchFolder, useImageTower } from './batch-folder.ts';
import { FULL_DISK } from './full-disk.ts';
import { smallPictures } from './pictures.ts';

const folder = useBatchFolder(120);
const { at, run, plan, parts, table } = folder;
const model = useImageTower();

it('writes a part for each shard; bad pictures have a row with the reason', async () => {
  expect(await plan('photos', '--output', 'one', '--shard-size', '50')).toBe('120 pictures in 3 shards\n');
  expect((await run('batch', 'status', '--output', 'one')).stdout).toContain(
    'shards: 0 of 3 done, 0 running, 3 waiting',
  );
  expect((await run('batch', 'work', '--output', 'one')).code).toBe(0);
  expect(parts('one')).toEqual(['part-00000.parquet', 'part-00001.parquet', 'part-00002.parquet']);

  const { types, rows: first } = table('one/part-00000.parquet');
  expect(types).toBe(
    'key string; embedding list<element: float not null>; width int32; height int32; sha256 string; error string',
  );
  expect(first).toHaveLength(50);
  const file = new Uint8Array(readFileSync(at(`photos/${first[3]!.key}`)));
  expect(Float32Array.from(first[3]!.embedding!)).toEqual(await model.clip.encodeImage(file));
  expect(first[3]!.sha256).toBe(createHash('sha256').update(file).digest('hex'));

  const all = ['one/part-00000.parquet', 'one/part-00001.parquet', 'one/part-00002.parquet'].flatMap((path) => table(path).rows); // biome-ignore format: one line
  expect(all.map(({ key }) => key).sort()).toEqual([...smallPictures(120)].map(({ name }) => name).sort());
  const bad = all.filter(({ embedding }) => embedding === null);
  expect(bad).toEqual([{ key: '9/000099.png', embedding: null, width: null, height: null, sha256: null, error: expect.stringContaining('[IMAGE_TRUNCATED]') }]); // biome-ignore format: one line
  const status = JSON.parse((await run('batch', 'status', '--output', 'one', '--json')).stdout);
  expect(status).toMatchObject({ shards: { done: 3, total: 3, failed: [] }, pictures: { pictures: 120, failed: 1 } });
  expect((await run('batch', 'status', '--output', 'one', '--errors')).stdout).toMatch(/^9\/000099\.png: .*TRUNCATED/);
});

it('gives a part that is made again the same bytes, and plans only what is new', async () => {
  const before = readFileSync(at('one/part-00001.parquet'));
  rmSync(at('one/part-00001.parquet'));
  copyFileSync(join(golden, 'cat.png'), at('photos/0/cat.png'));
  expect(await plan('photos', '--output', 'one', '--shard-size', '50')).toBe('1 picture in 1 shard, 120 were planned before\n'); // biome-ignore format: one line
  const { code, stderr } = await run('batch', 'work', '--output', 'one', '--threads', '1');
  expect([code, stderr]).toEqual([0, 'part 1: 50 pictures\npart 3: 1 picture\n']);
  expect(Buffer.compare(readFileSync(at('one/part-00001.parquet')), before)).toBe(0);
  expect(table('one/part-00003.parquet').rows.map(({ key }) => key)).toEqual(['0/cat.png']);
  rmSync(at('photos/0/cat.png'));
});

it('is as after a quiet run when it was killed and stopped on its way', async () => {
  await plan('photos', '--output', 'quiet', '--shard-size', '6');
  await run('batch', 'work', '--output', 'quiet');
  await plan('photos', '--output', 'killed', '--shard-size', '6');
  for (const [signal, code] of [
    ['SIGKILL', null],
    ['SIGTERM', 1],
    ['SIGKILL', null],
  ] as const) {
    // biome-ignore format: one line
    const had = existsSync(at('killed/part-00000.parquet')) ? parts('killed').length : 0;
    const options = { cwd: folder.path, imports: [SLOW_PICTURES] };
    const child = startEdgeclip(['batch', 'work', '--output', 'killed', '--threads', '1'], options);
    const timer = setInterval(() => {
      if (parts('killed').length <= had + 2) return;
      clearInterval(timer);
      child.kill(signal);
    }, 5);
    const [ended] = await once(child, 'exit');
    expect(ended).toBe(code);
  }
  expect(parts('killed').length).toBeLessThan(20);
  expect((await run('batch', 'work', '--output', 'killed')).code).toBe(0);
  expect(parts('killed')).toEqual(parts('quiet'));
  for (const name of parts('quiet')) {
    expect(Buffer.compare(readFileSync(at(`killed/${name}`)), readFileSync(at(`quiet/${name}`))), name).toBe(0);
  }
});

it('refuses another model, other options and another input for the same output', async () => {
  const f32 = await run('batch', 'work', '--output', 'quiet', '--precision', 'f32');
  expect([f32.code, f32.stderr]).toEqual([1, expect.stringMatching(/quiet has parts of .*in int8; those of .*in f32 cannot be beside them \[BATCH_MODEL\]/)]); // biome-ignore format: one line
  expect((await run('batch', 'work', '--output', 'quiet', '--orient')).stderr).toContain('[BATCH_MODEL]');
  const input = await run('batch', 'plan', 'photos/1', '--output', 'quiet');
  expect([input.code, input.stderr]).toEqual([1, expect.stringContaining('choose another output [PLAN_FORMAT]')]);
  const nothing = await run('batch', 'work', '--output', 'photos');
  expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('"photos" has no plan')]);
});

it('makes a part again that was damaged or lost, and names the file', async () => {
  for (const layout of ['parquet', 'clip-retrieval']) {
    await plan('photos/1', '--output', layout, '--shard-size', '6', '--layout', layout);
    expect((await run('batch', 'work', '--output', layout)).code).toBe(0);
    const names = layout === 'parquet' ? ['part-00001.parquet'] : ['img_emb/img_emb_00001.npy', 'metadata/metadata_00001.parquet']; // biome-ignore format: one line
    for (const name of names) {
      const whole = readFileSync(at(`${layout}/${name}`));
      writeFileSync(at(`${layout}/${name}`), whole.subarray(0, -100));
      for (const command of ['work', 'status']) {
        const { code, stdout, stderr } = await run('batch', command, '--output', layout);
        expect([code, stdout + stderr]).toEqual([1, expect.stringContaining(`${name} is damaged: `)]);
      }
      rmSync(at(`${layout}/${name}`));
      const { code, stderr } = await run('batch', 'work', '--output', layout);
      expect([code, stderr]).toEqual([0, 'part 1: 6 pictures\n']);
      expect(Buffer.compare(readFileSync(at(`${layout}/${name}`)), whole), name).toBe(0);
    }
  }
});

it('ends at once where the folder of the pictures is not there', async () => {
  const missing = (place: string) => `error: the pictures' place "${place}": there is no such file: if the pictures are elsewhere on this machine, give --input PLACE; if everywhere, edgeclip batch plan PLACE --moved [IO]\n`; // biome-ignore format: one line
  await plan('photos/3', '--output', 'unmounted', '--shard-size', '6');
  const mistyped = await run('batch', 'work', '--output', 'unmounted', '--input', 'photso');
  expect([mistyped.code, mistyped.stderr]).toEqual([1, missing('photso')]);
  mkdirSync(at('base'));
  writeFileSync(at('base/list.txt'), `${join(golden, 'cat.png')}\na.png\n`);
  const listed = await edgeclip(['batch', 'plan', 'list.txt', '--list', '--output', '../based'], { cwd: at('base') });
  expect(listed.code).toBe(0);
  renameSync(at('base'), at('base-away'));
  renameSync(at('photos/3'), at('away'));
  try {
    const lost = await run('batch', 'work', '--output', 'unmounted');
    expect([lost.code, lost.stderr]).toEqual([1, missing(at('photos/3'))]);
    const based = await run('batch', 'work', '--output', 'based');
    expect([based.code, based.stderr]).toEqual([1, missing(at('base'))]);
    expect([...parts('unmounted'), ...parts('based')]).toEqual([]);
    expect((await run('batch', 'work', '--output', 'unmounted', '--input', 'away')).code).toBe(0);
    expect((await run('batch', 'work', '--output', 'unmounted')).code).toBe(0); // nothing is left to read
  } finally {
    renameSync(at('away'), at('photos/3'));
  }
});

it('ends at once where the disk is full', async () => {
  await plan('photos/4', '--output', 'full', '--shard-size', '6');
  const { code, stderr } = await edgeclip(['batch', 'work', '--output', 'full'], {
    cwd: folder.path,
    imports: [FULL_DISK],
  });
  expect([code, stderr]).toEqual([1, `error: cannot write "full/part-00000.parquet": no space is left on the device [IO]\n`]); // biome-ignore format: one line
  expect(parts('full')).toEqual([]);
});

it('tries a shard again, sets it aside after its last attempt, and goes on', async () => {
  const output = await openStorage(at('one'));
  const found = (await readPlan(output))!;
  const queue = new LocalQueue({ ...found, head: { ...found.head, layout: 'clip-retrieval' } }, output, { pauseMs: 1, longestMs: 1 }); // biome-ignore format: one line
  const tried: number[] = [];
  const failed: [number, boolean][] = [];
  const done: number[] = [];
  const handler = async ({ part }: { part: number }) => {
    tried.push(part);
    if (part === 1 || (part === 2 && tried.filter((one) => one === 2).length < 3)) throw new Error('no storage');
    return { pictures: 1, failed: 0, wasThere: false };
  };
  await queue.work(handler, new AbortController().signal, {
    attempts: 3,
    onDone: ({ part }) => done.push(part),
    onFailed: (part, _, isLast) => failed.push([part, isLast]),
  });
  expect(tried).toEqual([0, 1, 1, 1, 2, 2, 2, 3]);
  expect(failed).toEqual([[1, false], [1, false], [1, true], [2, false], [2, false]]); // biome-ignore format: one line
  expect(done).toEqual([0, 2, 3]);
});
