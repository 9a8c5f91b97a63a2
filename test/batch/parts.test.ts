/** Parts and plans that are damaged, lost or another batch's are told, and a part's names are those of its files. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'; // biome-ignore format: one line
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keyFromText, keyText } from '../../src/batch/key-text.ts';
import { openStorage } from '../../src/batch/open-storage.ts';
import { checkPart, checkParts } from '../../src/batch/part-reader.ts';
import { doneParts, PartWriter } from '../../src/batch/parts.ts';
import { type PlanHead, readPlan, readShards, shardChecks } from '../../src/batch/plan.ts';
import { PictureSource } from '../../src/batch/sources.ts';
import { outputMaker, workShard } from '../../src/batch/work.ts';
import { loadClip } from '../../src/index.ts';
import { openPhotos } from '../../src/search/index.ts';
import { edgeclip, projectPath, workFolder } from '../cli/command.ts';
import { writePictures } from './pictures.ts';
import { python } from './services.ts';

const work = workFolder({});
const cat = join(projectPath, 'test/golden/photos/cat.png');
const at = (name: string) => join(work.path, name);
const run = (...args: string[]) => edgeclip(['batch', ...args], { cwd: work.path });
const well = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(...args);
  expect(code, stderr).toBe(0);
  return stdout + stderr;
};
/** A batch that the tests may damage: two parts of `photos`. */
const copy = (name: string, from = 'whole') =>
  cpSync(at(from), at(name), { recursive: true, preserveTimestamps: true });
const stored = async (to: string) => {
  const store = await openPhotos(at(to), { readOnly: true });
  const [photos, failures] = [await store.photos(), await store.failures()];
  await store.close();
  return { photos, failures };
};
const columns = (path: string, name: string): string[] =>
  JSON.parse(execFileSync(python, ['-c', 'import json, sys, pyarrow.parquet as pq; print(json.dumps(pq.read_table(sys.argv[1]).column(sys.argv[2]).to_pylist()))', at(path), name], { encoding: 'utf8' })); // biome-ignore format: one line

/** What is said of the parts that are read whole. */
async function damage(name: string): Promise<string[]> {
  const output = await openStorage(at(name));
  const plan = (await readPlan(output))!;
  const { head } = plan;
  const expected = {
    head,
    maker: (await outputMaker(output, head.layout))!.maker,
    shards: await shardChecks(output, plan),
  };
  const said: string[] = [];
  for await (const part of checkParts(output, expected, await doneParts(output, head.layout), true)) {
    if ('damage' in part) said.push(part.damage.message);
  }
  return said;
}

beforeAll(async () => {
  writePictures(at('photos'), 8);
  writePictures(at('others'), 18);
  for (const [output, input, ...options] of [
    ['whole', 'photos'],
    ['other', 'others'],
    ['retrieval', 'photos', '--layout', 'clip-retrieval'],
  ]) {
    await well('plan', input!, '--output', output!, '--shard-size', '4', ...options); // biome-ignore format: one line
    await well('work', '--output', output!);
  }
});
afterAll(() => work.remove());

it.each([
  ['parquet', false],
  ['parquet', true],
  ['clip-retrieval', false],
] as const)(
  'knows its own parts of 2,500 pictures, whose columns have several pages: %s, half %s',
  async (layout, half) => {
    const output = await openStorage(at(`large-${layout}-${half}`), { create: true });
    const made = { model: { name: 'a model', precision: 'int8', fingerprint: 'f' }, maker: 'm', version: '1', dimension: 512, prepared: { orient: false, scaled: false } } as const; // biome-ignore format: one line
    const writer = await PartWriter.open({ layout, half, part: 0, shard: 's', made });
    const embedding = new Float32Array(512).map((_, i) => Math.sqrt(i));
    const facts = { width: 500, height: 375, sha256: '0'.repeat(64) };
    for (let i = 0; i < 2500; i++) writer.add({ key: `${i}.jpg`, embedding, ...facts });
    const expected = { head: { layout, half } as PlanHead, shard: 's' };
    for (const { name, bytes } of writer.end()) await output.create(name, bytes);
    const [part] = await doneParts(output, layout);
    expect(await checkPart(output, expected, part!)).toMatchObject({ pictures: 2500, failed: 0 });
    // A byte that does not belong to it is seen.
    const path = join(at(`large-${layout}-${half}`), part!.files.at(-1)!.name);
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, 4), Buffer.of(0), bytes.subarray(4)]));
    const [longer] = await doneParts(output, layout);
    await expect(checkPart(output, expected, longer!)).rejects.toThrow(
      `it has ${bytes.length + 1} bytes instead of ${bytes.length}`,
    );
  },
);

it('computes the rate and the time left from the pictures of the parts that were written since the first', async () => {
  copy('paced', 'other');
  rmSync(at('paced/part-00003.parquet')); // four pictures that are left, after parts of 4, 4, 4 and 2
  for (const [i, part] of ['00001', '00000', '00002', '00004'].entries())
    utimesSync(at(`paced/part-${part}.parquet`), 0, 1_700_000_000 + 10 * i);
  const said = JSON.parse(await well('status', '--output', 'paced', '--json'));
  expect(said.perSecond).toBeCloseTo((4 + 4 + 2) / 30, 12);
  expect(said.secondsLeft).toBe(4 * 3);
});

it('leaves out the time in which no worker was at work', async () => {
  copy('slept', 'other'); // parts of 4, 4, 4, 4 and 2 pictures
  rmSync(at('slept/part-00004.parquet'));
  const status = async (begun: number, written: readonly number[]) => {
    for (const [
      name,
      time,
    ] of [['plan/maker.json', begun] as const, ...written.map((time, i) => [`part-0000${i}.parquet`, time] as const)]) // biome-ignore format: one line
      utimesSync(at(`slept/${name}`), 0, 1_700_000_000 + time);
    return JSON.parse(await well('status', '--output', 'slept', '--json'));
  };
  const night = 30_000;
  expect((await status(0, [10, 20, night + 20, night + 30])).perSecond).toBeCloseTo(0.4, 12);
  // An hour's window alone would not leave this one out.
  expect(await status(0, [10, 620, 630, 640])).toMatchObject({ perSecond: 0.4, secondsLeft: 5 });
  for (const part of [1, 2, 3]) rmSync(at(`slept/part-0000${part}.parquet`));
  expect(await status(0, [8])).toMatchObject({ perSecond: 0.5, secondsLeft: 28 });
});

it('gives no rate where the parts since the first have no picture', async () => {
  mkdirSync(at('tars'));
  execFileSync('tar', ['-cf', at('tars/a.tar'), '-C', at('photos'), '.']);
  writeFileSync(at('note.txt'), '');
  for (const name of ['b', 'c']) execFileSync('tar', ['-cf', at(`tars/${name}.tar`), '-C', work.path, 'note.txt']);
  await well('plan', 'tars', '--tars', '--output', 'notes');
  await well('work', '--output', 'notes');
  rmSync(at('notes/part-00002.parquet'));
  for (const i of [0, 1]) utimesSync(at(`notes/part-0000${i}.parquet`), 0, 1_700_000_000 + 10 * i);
  const said = JSON.parse(await well('status', '--output', 'notes', '--json'));
  expect(said).toMatchObject({ shards: { done: 2, total: 3 }, pictures: { pictures: 8, failed: 0 } });
  expect(Object.keys(said)).not.toContain('perSecond');
  expect(Object.keys(said)).not.toContain('secondsLeft');
  expect(await well('status', '--output', 'notes')).not.toContain('left');
});

it('writes a byte that is not UTF-8 in a way that tells names apart, and reads it back', () => {
  const texts = new Map([
    ['\udcff.jpg', '\\xff.jpg'],
    ['\udcfe.jpg', '\\xfe.jpg'],
    ['größe \\ a\\x.jpg', 'größe \\ a\\x.jpg'],
    ['\\xff.jpg', '\\x5cxff.jpg'],
    ['\\x5cxff', '\\x5cx5cxff'],
    ['\\\udcff', '\\\\xff'],
    ['😀\udc80\udcff\\xFF\\x41', '😀\\x80\\xff\\xFF\\x41'],
  ]);
  for (const [key, text] of texts) expect([keyText(key), keyFromText(text)]).toEqual([text, key]);
});

it('gives files whose names are not UTF-8 a key each, by which the index has them', async () => {
  mkdirSync(at('bytes'));
  const script = `cp '${cat}' $'bytes/\\xff.png' && cp '${cat}' $'bytes/\\xfe.png' && echo no > $'bytes/\\xfd.png'`;
  execFileSync('bash', ['-c', script], { cwd: work.path });
  for (const layout of ['parquet', 'clip-retrieval']) {
    await well('plan', 'bytes', '--output', `bytes-${layout}`, '--layout', layout);
    await well('work', '--output', `bytes-${layout}`);
    expect(await well('status', '--output', `bytes-${layout}`, '--errors')).toMatch(
      /^\\xFD\.png: .*\[IMAGE_FORMAT\]\n$/,
    );
  }
  expect(columns('bytes-parquet/part-00000.parquet', 'key')).toEqual(['\\xfd.png', '\\xfe.png', '\\xff.png']);
  expect(columns('bytes-clip-retrieval/metadata/metadata_00000.parquet', 'image_path')).toEqual(['\\xfe.png', '\\xff.png']); // biome-ignore format: one line
  await well('load', '--output', 'bytes-parquet', '--to', 'bytes.db');
  const { photos, failures } = await stored('bytes.db');
  expect(photos.map(({ path }) => path)).toEqual([at('bytes/\udcfe.png'), at('bytes/\udcff.png')]);
  expect(failures.map(({ path }) => path)).toEqual([at('bytes/\udcfd.png')]);
});

it('refuses parts beyond the plan: its last file was lost', async () => {
  copy('lost');
  copyFileSync(cat, at('photos/b.png'));
  await well('plan', 'photos', '--output', 'lost');
  await well('work', '--output', 'lost');
  rmSync(at('lost/plan/plan-00001.jsonl'));
  renameSync(at('photos/b.png'), at('photos/aa.png'));
  for (const command of [['plan', 'photos'], ['work'], ['status'], ['load', '--to', 'lost.db']]) {
    const { code, stderr } = await run(...command, '--output', 'lost');
    expect([code, stderr]).toEqual([1, expect.stringContaining('part-00002.parquet is beyond the plan, which has 2 shards in 1 file')]); // biome-ignore format: one line
  }
  rmSync(at('lost/part-00002.parquet'));
  await well('plan', 'photos', '--output', 'lost');
  rmSync(at('photos/aa.png'));
});

it('tells a part of other pictures, of another place in the plan and of another model', async () => {
  copy('foreign');
  const refused = async (what: RegExp) => {
    for (const command of [['work'], ['status'], ['load', '--to', 'foreign.db']]) {
      const { code, stdout, stderr } = await run(...command, '--output', 'foreign');
      expect([code, stdout + stderr]).toEqual([1, expect.stringMatching(what)]);
    }
  };
  copyFileSync(at('other/part-00001.parquet'), at('foreign/part-00001.parquet'));
  await refused(/part-00001\.parquet is damaged: it has other pictures than the plan: remove it/);
  copyFileSync(at('whole/part-00000.parquet'), at('foreign/part-00001.parquet'));
  await refused(/part-00001\.parquet is damaged: it is part 0/);

  copy('mixed');
  rmSync(at('mixed/plan/maker.json'));
  rmSync(at('mixed/part-00001.parquet'));
  const { code, stderr } = await run('work', '--output', 'mixed', '--orient');
  expect([code, stderr]).toEqual([1, expect.stringContaining('[BATCH_MODEL]')]);
  await well('plan', 'photos', '--output', 'oriented', '--shard-size', '4');
  await well('work', '--output', 'oriented', '--orient');
  copyFileSync(at('oriented/part-00001.parquet'), at('foreign/part-00001.parquet'));
  await refused(/part-00001\.parquet is damaged: it is of another model or other options/);
});

it('finds a byte that has changed anywhere in a part, and the same part has the same bytes again', async () => {
  for (const [output, name] of [
    ['whole', 'part-00001.parquet'],
    ['retrieval', 'img_emb/img_emb_00001.npy'],
    ['retrieval', 'metadata/metadata_00001.parquet'],
  ] as const) {
    // biome-ignore format: one line
    copy('flipped', output);
    const path = at(`flipped/${name}`);
    const whole = readFileSync(path);
    const places = [6, 2000, whole.length >> 1].filter((place) => place < whole.length - 600);
    const rows = name.endsWith('.npy')
      ? []
      : [whole.lastIndexOf('"sha256":"') + 12, whole.lastIndexOf('"version":"') + 11];
    for (const place of [...places, ...rows]) {
      const changed = Buffer.from(whole);
      changed[place]! ^= 1;
      writeFileSync(path, changed);
      expect(await damage('flipped'), `${name} ${place}`).toEqual([expect.stringContaining(`${name} is damaged: `)]);
    }
    const changed = Buffer.from(whole).fill(0, whole.length >> 1, (whole.length >> 1) + 100);
    writeFileSync(path, changed);
    for (const command of [['status', '--check'], ...(output === 'whole' ? [['load', '--to', 'flipped.db']] : [])]) {
      const { code, stdout, stderr } = await run(...command, '--output', 'flipped');
      expect([code, stdout + stderr]).toEqual([1, expect.stringContaining(`${name} is damaged: `)]);
    }
    rmSync(path);
    await well('work', '--output', 'flipped');
    expect(Buffer.compare(readFileSync(path), whole)).toBe(0);
    expect(await damage('flipped')).toEqual([]);
    rmSync(at('flipped'), { recursive: true });
  }
  expect((await stored('flipped.db')).photos).toHaveLength(4); // the first part's
});

it('tells an empty part, an empty maker.json and a plan that has changed', async () => {
  copy('empty');
  const status = async (change: [string, string]) => {
    const whole = readFileSync(at(`empty/${change[0]}`));
    writeFileSync(at(`empty/${change[0]}`), change[1]);
    const { code, stdout, stderr } = await run('status', '--output', 'empty');
    writeFileSync(at(`empty/${change[0]}`), whole);
    expect(code).toBe(1);
    return stdout + stderr;
  };
  expect(await status(['part-00001.parquet', ''])).toContain('part-00001.parquet is damaged: it is empty: remove it');
  expect(await status(['part-00001.parquet', 'PAR1'])).toContain('part-00001.parquet is damaged: it has 4 bytes');
  expect(await status(['plan/maker.json', ''])).toContain('plan/maker.json is damaged: it is empty: remove it');
  const plan = readFileSync(at('empty/plan/plan-00000.jsonl'), 'utf8');
  expect(await status(['plan/plan-00000.jsonl', plan.replace('000005', '000009')])).toContain('line 3: it was changed');
});

it('does not take an input without anything for pictures that are gone', async () => {
  mkdirSync(at('unmounted'));
  await well('plan', 'photos', '--output', 'no-disk', '--shard-size', '8');
  const output = await openStorage(at('no-disk'));
  const plan = (await readPlan(output))!;
  const made = (await outputMaker(await openStorage(at('whole')), 'parquet'))!;
  const source = new PictureSource({ ...plan.head, input: at('unmounted') });
  const clip = await loadClip({ towers: ['image'] });
  const { signal } = new AbortController();
  for await (const { shard } of readShards(output, plan)) {
    const job = { clip, head: plan.head, output, source, made, options: { orient: false, scaled: false }, signal };
    await expect(workShard(shard, job)).rejects.toThrow(/unmounted" is empty, where the plan has pictures: is its disk mounted\?/); // biome-ignore format: one line
  }
  clip.dispose();
  expect(readdirSync(at('no-disk')).filter((name) => name.startsWith('part-'))).toEqual([]);
  writeFileSync(at('unmounted/another.txt'), '');
  expect(await well('work', '--output', 'no-disk', '--input', 'unmounted')).toContain('warning: part 0 has no embedding: to try its pictures again, remove the part first'); // biome-ignore format: one line
});

it('loads photos that were moved once, and counts what has changed', async () => {
  copy('moving');
  cpSync(at('photos'), at('before'), { recursive: true });
  writeFileSync(at('before/0/bad.png'), 'no picture');
  await well('plan', 'before', '--output', 'moving', '--moved');
  await well('work', '--output', 'moving');
  expect(await well('load', '--output', 'moving', '--to', 'moving.db')).toMatch(/: 8 photos \(8 new, 1 failed\)\n$/);
  const ids = (await stored('moving.db')).photos.map(({ id }) => id);
  renameSync(at('before'), at('after'));
  await well('plan', 'after', '--output', 'moving', '--moved');
  rmSync(at('moving/part-00001.parquet'));
  expect(await well('load', '--output', 'moving', '--to', 'moving.db')).toMatch(/: 8 photos \(4 moved, 1 failed\)\nwarning: 1 shard has no part yet: /); // biome-ignore format: one line
  await well('work', '--output', 'moving');
  expect(await well('load', '--output', 'moving', '--to', 'moving.db')).toMatch(/: 8 photos \(4 moved, 4 known before, 1 failed\)\n$/); // biome-ignore format: one line
  const { photos, failures } = await stored('moving.db');
  expect(photos.map(({ id }) => id)).toEqual(ids);
  expect(photos.every(({ path }) => path.startsWith(at('after/')))).toBe(true);
  expect(failures.map(({ path }) => path)).toEqual([at('after/0/bad.png')]);

  copyFileSync(cat, at('after/1/000001.png'));
  rmSync(at('moving/part-00000.parquet'));
  await well('work', '--output', 'moving');
  expect(await well('load', '--output', 'moving', '--to', 'moving.db')).toMatch(/: 8 photos \(1 changed, 7 known before, 1 failed\)\n$/); // biome-ignore format: one line
});

it.skipIf(process.getuid?.() === undefined)('works on a complete batch whose disk is read-only', async () => {
  copy('read-only');
  for (const folder of ['read-only', 'read-only/plan']) chmodSync(at(folder), 0o555);
  try {
    const before = readdirSync(at('read-only/plan'));
    // root may write all the same, so the folder is mounted as one that is read-only
    const mounted = `mount --bind read-only read-only && mount -o remount,ro,bind read-only && '${process.execPath}' '${join(projectPath, 'dist/cli/main.js')}' batch work --output read-only`;
    execFileSync(process.getuid!() === 0 ? 'unshare' : 'bash', process.getuid!() === 0 ? ['-m', 'bash', '-c', mounted] : ['-c', mounted.split('&& ').at(-1)!], { cwd: work.path }); // biome-ignore format: one line
    expect(readdirSync(at('read-only/plan'))).toEqual(before);
  } finally {
    for (const folder of ['read-only', 'read-only/plan']) chmodSync(at(folder), 0o755);
  }
});
