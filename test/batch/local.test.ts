/** `edgeclip batch` on one machine: what is planned is there once, whatever happens, in the same bytes. */

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'; // biome-ignore format: one line
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { packTar } from 'modern-tar';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LocalQueue } from '../../src/batch/local-queue.ts';
import { openStorage } from '../../src/batch/open-storage.ts';
import { readPlan, readShard, readShards } from '../../src/batch/plan.ts';
import { PlanWriter } from '../../src/batch/plan-writer.ts';
import { type Clip, loadClip } from '../../src/index.ts';
import { edgeclip, jsonLines, projectPath, startEdgeclip, workFolder } from '../cli/command.ts';
import { readNpy } from '../cli/npy.ts';
import { FULL_DISK } from './full-disk.ts';
import { smallPictures, writePictures } from './pictures.ts';
import { python } from './services.ts';

const work = workFolder({});
const golden = join(projectPath, 'test/golden/photos');
const run = (...args: string[]) => edgeclip(args, { cwd: work.path });
const at = (name: string) => join(work.path, name);
const parts = (folder: string) =>
  readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('plan'))
    .map((entry) => entry.name)
    .sort();
const plan = async (...args: string[]) => {
  const { code, stdout, stderr } = await run('batch', 'plan', ...args);
  expect(code, stderr).toBe(0);
  return stdout;
};

/** The rows of a part, as pyarrow reads them. */
function rows(path: string): {
  types: string;
  rows: { key: string; embedding: number[] | null; sha256: string | null; error: string | null }[];
} {
  const script =
    'import json, sys, pyarrow.parquet as pq; t = pq.read_table(sys.argv[1]);' +
    'print(json.dumps({"types": "; ".join(f"{f.name} {f.type}" for f in t.schema), "rows": t.to_pylist()}))';
  return JSON.parse(execFileSync(python, ['-c', script, at(path)], { encoding: 'utf8', maxBuffer: 1 << 28 }));
}

let clip: Clip;
beforeAll(async () => {
  clip = await loadClip({ towers: ['image'] });
  writePictures(at('photos'), 120);
});
afterAll(() => {
  clip.dispose();
  work.remove();
});

it('writes a part for each shard; bad pictures have a row with the reason', async () => {
  expect(await plan('photos', '--output', 'one', '--shard-size', '50')).toBe('120 pictures in 3 shards\n');
  expect((await run('batch', 'status', '--output', 'one')).stdout).toContain(
    'shards: 0 of 3 done, 0 running, 3 waiting',
  );
  expect((await run('batch', 'work', '--output', 'one')).code).toBe(0);
  expect(parts('one')).toEqual(['part-00000.parquet', 'part-00001.parquet', 'part-00002.parquet']);

  const { types, rows: first } = rows('one/part-00000.parquet');
  expect(types).toBe(
    'key string; embedding list<element: float not null>; width int32; height int32; sha256 string; error string',
  );
  expect(first).toHaveLength(50);
  const file = new Uint8Array(readFileSync(at(`photos/${first[3]!.key}`)));
  expect(Float32Array.from(first[3]!.embedding!)).toEqual(await clip.encodeImage(file));
  expect(first[3]!.sha256).toBe(createHash('sha256').update(file).digest('hex'));

  const all = ['one/part-00000.parquet', 'one/part-00001.parquet', 'one/part-00002.parquet'].flatMap((path) => rows(path).rows); // biome-ignore format: one line
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
  expect(rows('one/part-00003.parquet').rows.map(({ key }) => key)).toEqual(['0/cat.png']);
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
    const child = startEdgeclip(['batch', 'work', '--output', 'killed', '--threads', '1'], { cwd: work.path });
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
    const user = { cwd: work.path, asNobody: true };
    const planned = await edgeclip(['batch', 'plan', 'theirs', '--output', 'disk'], user);
    expect([planned.code, planned.stdout]).toEqual([1, expect.stringMatching(/^2 pictures in 1 shard/)]);
    expect(planned.stderr.trimEnd().split('\n')).toEqual(['closed/', 'names-only/c.png'].map((name) => `error: "theirs/${name}": permission denied [IO]`)); // biome-ignore format: one line
    const worked = await edgeclip(['batch', 'work', '--output', 'disk'], user);
    expect([worked.code, worked.stderr]).toEqual([0, 'part 0: 2 pictures\n']);
  } finally {
    for (const folder of Object.keys(closed)) chmodSync(at(folder), 0o755);
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
    cwd: work.path,
    imports: [FULL_DISK],
  });
  expect([code, stderr]).toEqual([1, `error: cannot write "full/part-00000.parquet": no space is left on the device [IO]\n`]); // biome-ignore format: one line
  expect(parts('full')).toEqual([]);
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
  expect([code, stderr]).toEqual([1, expect.stringContaining(`was planned in "${work.path}", where its relative paths begin, not in "${at('empty')}": plan there, add --moved`)]); // biome-ignore format: one line
});

it('says why an output cannot be made', async () => {
  const { code, stderr } = await run('batch', 'plan', 'photos', '--output', '/proc/nope/deeper');
  expect([code, stderr]).toEqual([1, expect.stringContaining('"/proc/nope/deeper": there is no such file')]);
  expect((await run('batch', 'plan', 'photos', '--output', 'photos/0/000000.png/out')).stderr).toContain(
    'a file, not a folder',
  );
});

it('reads tar files as they come', async () => {
  const members = [...smallPictures(30)].map(({ name, bytes }) => ({ header: { name: name.slice(2), size: bytes.length }, body: bytes })); // biome-ignore format: one line
  const text = { header: { name: '000000.txt', size: 5 }, body: 'a cat' };
  mkdirSync(at('tars'));
  writeFileSync(at('tars/a.tar'), await packTar([text, ...members.slice(0, 10)]));
  writeFileSync(at('tars/b.tar'), await packTar(members.slice(10)));
  expect(await plan('tars', '--tars', '--output', 'from-tars')).toBe('2 tar files in 2 shards\n');
  expect((await run('batch', 'work', '--output', 'from-tars')).code).toBe(0);
  expect(rows('from-tars/part-00000.parquet').rows.map(({ key }) => key)).toEqual(members.slice(0, 10).map(({ header }) => `a.tar/${header.name}`)); // biome-ignore format: one line
  const [expected] = await clip.encodeImage([members[12]!.body]);
  const [, , third] = rows('from-tars/part-00001.parquet').rows;
  expect(Float32Array.from(third!.embedding!)).toEqual(expected);
});

it('gives each member of a tar file a key of its own, whatever its name is', async () => {
  const script = String.raw`
import io, sys, tarfile
for format in ('USTAR', 'GNU', 'PAX'):
    with tarfile.open(f'named-tars/{format}.tar', 'w', format=getattr(tarfile, f'{format}_FORMAT'), encoding='utf-8', errors='surrogateescape') as tar:
        for name in (b'\xff.png', b'\xfe.png', 'größe.png'.encode(), b'e' * 60 + b'/' + b'\xfd' * 70 + b'.png', b'f/' + b'\xfc' * 120 + b'.png'):
            if format == 'USTAR' and len(name) > 100 and name[0] != 101: continue
            member = tarfile.TarInfo(name.decode('utf-8', 'surrogateescape'))
            photo = open(sys.argv[1], 'rb').read()
            member.size = len(photo)
            tar.addfile(member, io.BytesIO(photo))`;
  mkdirSync(at('named-tars'));
  execFileSync(python, ['-c', script, join(golden, 'cat.png')], { cwd: work.path });
  await plan('named-tars', '--tars', '--output', 'from-named');
  expect((await run('batch', 'work', '--output', 'from-named')).code).toBe(0);
  const [short, long, longer] = [['\\xff.png', '\\xfe.png', 'größe.png'], `${'e'.repeat(60)}/${'\\xfd'.repeat(70)}.png`, `f/${'\\xfc'.repeat(120)}.png`] as const; // biome-ignore format: one line
  for (const [i, [format, names]] of Object.entries({
    GNU: [...short, long, longer],
    PAX: [...short, long, longer],
    USTAR: [...short, long],
  }).entries()) {
    // biome-ignore format: one line
    const found = rows(`from-named/part-0000${i}.parquet`).rows;
    expect(found.map(({ key }) => key)).toEqual(names.map((name) => `${format}.tar/${name}`));
    expect(found.every(({ embedding }) => embedding !== null)).toBe(true);
  }
});

it('reads a list of paths and addresses; what the web does not give has a row', async () => {
  let refusals = 2;
  const server = createServer(({ url }, answer) => {
    if (url === '/gone.png') answer.writeHead(404).end();
    else if (url === '/later.png' && refusals-- > 0) answer.writeHead(503, { 'retry-after': '0' }).end();
    else answer.end(readFileSync(join(golden, 'cat.png')));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const web = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const list = ['photos/0/000000.png', join(golden, 'cat.png'), `${web}/gone.png`, `${web}/later.png`, 'none.png'];
  writeFileSync(at('list.txt'), list.join('\r\n'));
  try {
    await plan('list.txt', '--list', '--output', 'listed');
    expect((await run('batch', 'work', '--output', 'listed')).code).toBe(0);
  } finally {
    server.close();
  }
  const found = rows('listed/part-00000.parquet').rows;
  expect(found.map(({ key }) => key)).toEqual(list);
  expect(found.map(({ error }) => error)).toEqual([null, null, 'status 404 [IO]', null, 'there is no such file [IO]']);
  expect(found[3]!.embedding).toEqual(found[1]!.embedding);
});

it('takes a name as it is, but for what ends a line', async () => {
  const names = ['a\rb.png', 'a\u2028b.png', 'a b.png', 'größe.png'];
  mkdirSync(at('named'));
  for (const name of names) copyFileSync(join(golden, 'cat.png'), at(`named/${name}`));
  execFileSync('bash', ['-c', `cp '${join(golden, 'cat.png')}' $'named/\\xff.png'`], { cwd: work.path });
  const bytes = (end: string) => Buffer.concat([Buffer.from(names.map((name) => `named/${name}${end}`).join('')), Buffer.from(`named/\xff.png${end}`, 'latin1')]); // biome-ignore format: one line
  writeFileSync(at('named.txt'), Buffer.concat([Buffer.from('\ufeff'), bytes('\r\n')]));
  writeFileSync(at('named.nul'), bytes('\0'));
  await plan('named.txt', '--list', '--output', 'by-line');
  await plan('named.nul', '--list', '--null', '--output', 'by-nul');
  for (const output of ['by-line', 'by-nul']) {
    expect((await run('batch', 'work', '--output', output)).code).toBe(0);
    const { rows: found } = rows(`${output}/part-00000.parquet`);
    expect(found.map(({ error }) => error)).toEqual([null, null, null, null, null]);
    expect(found.slice(0, 4).map(({ key }) => key)).toEqual(names.map((name) => `named/${name}`));
  }
  const lines = [...names.map((name) => Buffer.from(`named/${name}`)), Buffer.from('named/\xff.png', 'latin1'), Buffer.from('{"id": 1, "path": "named/a\u2028b.png"}'), Buffer.from('{"id": 2, "path": "named/\\udcff.png"}')]; // biome-ignore format: one line
  const input = Buffer.concat([Buffer.from('\ufeff'), ...lines.flatMap((line) => [line, Buffer.from('\n')])]);
  const { code, stdout } = await edgeclip(['embed', '--stream'], { cwd: work.path, input });
  expect([code, jsonLines<{ error?: string }>(stdout).map(({ error }) => error)]).toEqual([
    0,
    lines.map(() => undefined),
  ]);
  writeFileSync(at('utf16.txt'), Buffer.from('\ufeffnamed/a b.png\n', 'utf16le'));
  const wide = await run('batch', 'plan', 'utf16.txt', '--list', '--output', 'wide');
  expect([wide.code, wide.stderr]).toEqual([1, expect.stringContaining('it is UTF-16')]);
});

it('gives what cannot be read as a picture a row, and goes on', async () => {
  mkdirSync(at('odd/dir.png'), { recursive: true });
  execFileSync('mkfifo', [at('odd/pipe.png')]);
  copyFileSync(join(golden, 'cat.png'), at('odd/cat.png'));
  const names = ['odd/cat.png/x.png', 'odd/dir.png', 'odd/pipe.png', `odd/${'x'.repeat(300)}.png`, 's3://Not_A_Bucket/x.png', 'http://[', 'odd/cat.png']; // biome-ignore format: one line
  writeFileSync(at('odd.txt'), `\ufeff${names.join('\n')}\n`);
  await plan('odd.txt', '--list', '--output', 'odd-rows');
  expect((await run('batch', 'work', '--output', 'odd-rows')).code).toBe(0);
  const found = rows('odd-rows/part-00000.parquet').rows;
  expect(found.map(({ key }) => key)).toEqual(names);
  expect(found.map(({ embedding }) => embedding !== null)).toEqual([...new Array(6).fill(false), true]);
  expect(found[2]!.error).toBe('it is not a regular file [IO]');
  // As by find -print0, or in UTF-16 without a byte order mark.
  writeFileSync(at('nul.txt'), 'odd/cat.png\0odd/cat.png\0');
  const { code, stderr } = await run('batch', 'plan', 'nul.txt', '--list', '--output', 'nul-rows');
  expect([code, stderr]).toEqual([1, expect.stringContaining('line 1 has a NUL')]);
});

it('finds files whose names are not UTF-8, and those behind links', async () => {
  mkdirSync(at('bytes/in'), { recursive: true });
  execFileSync('bash', ['-c', `cp '${join(golden, 'cat.png')}' $'bytes/in/\\xff.png' && ln -s in bytes/link && ln -s .. bytes/in/up`], { cwd: work.path }); // biome-ignore format: one line
  expect(await plan('bytes', '--output', 'bytes-out')).toBe('2 pictures in 1 shard\n');
  expect((await run('batch', 'work', '--output', 'bytes-out')).code).toBe(0);
  const found = rows('bytes-out/part-00000.parquet').rows;
  expect(found.every(({ embedding }) => embedding !== null)).toBe(true);
});

it('writes float16, as NumPy rounds, and the layout of clip-retrieval', async () => {
  await plan('photos', '--output', 'half', '--half', '--shard-size', '100');
  await plan('photos', '--output', 'retrieval', '--layout', 'clip-retrieval', '--shard-size', '100');
  await plan('photos', '--output', 'both', '--half', '--layout', 'clip-retrieval', '--shard-size', '100');
  for (const name of ['half', 'retrieval', 'both']) expect((await run('batch', 'work', '--output', name)).code).toBe(0);
  const whole = ['one/part-00000.parquet', 'one/part-00001.parquet'].flatMap((path) => rows(path).rows);
  expect(parts('retrieval')).toEqual(['img_emb_00000.npy', 'img_emb_00001.npy', 'metadata_00000.parquet', 'metadata_00001.parquet']); // biome-ignore format: one line
  const script = `
import json, numpy as np, pyarrow.parquet as pq, duckdb
half = pq.read_table("half/part-00001.parquet")
full = np.load("retrieval/img_emb/img_emb_00001.npy")
both = np.load("both/img_emb/img_emb_00001.npy")
names = pq.read_table("retrieval/metadata/metadata_00001.parquet").column("image_path").to_pylist()
good = [row for row in half.to_pylist() if row["embedding"] is not None]
assert [row["key"] for row in good] == names, names
assert (np.array([row["embedding"] for row in good], dtype=np.float16) == full.astype(np.float16)).all()
assert both.dtype == np.float16 and (both == full.astype(np.float16)).all()
duck = duckdb.sql("select key, typeof(embedding), len(embedding) from 'one/part-*.parquet' where error is null order by key").fetchall()
print(json.dumps({"type": str(half.schema.field("embedding").type), "rows": len(names), "duck": duck[0], "found": len(duck)}))`;
  const said = JSON.parse(execFileSync(python, ['-c', script], { cwd: work.path, encoding: 'utf8' }));
  expect(said).toEqual({ type: 'list<element: halffloat not null>', rows: 19, duck: ['0/000000.png', 'FLOAT[]', clip.config.embedDim], found: 120 }); // biome-ignore format: one line
  const failures = await run('batch', 'status', '--output', 'retrieval', '--errors');
  expect([failures.code, failures.stdout]).toEqual([
    0,
    expect.stringMatching(/^9\/000099\.png: .*\[IMAGE_TRUNCATED\]\n$/),
  ]);
  const npy = readNpy(readFileSync(at('retrieval/img_emb/img_emb_00000.npy')));
  expect(npy.rows[5]).toEqual(Float32Array.from(whole.filter(({ embedding }) => embedding)[5]!.embedding!));
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

it('answers the lines of --stream in order, each with its embedding or its error', async () => {
  const photo = readFileSync(join(golden, 'cat.png'));
  const lines = [
    join(golden, 'cat.png'),
    JSON.stringify({ id: 7, path: 'none.png' }),
    JSON.stringify({ id: { any: 'kind' }, base64: photo.toString('base64') }),
    JSON.stringify({ id: 'words', text: 'a cat' }),
    '{"id": 3, ',
    JSON.stringify({ id: 4, path: 'a', url: 'b' }),
    JSON.stringify({ id: 6, url: 'ftp://a/b' }),
    '',
    JSON.stringify({ id: 5, base64: 'bm8gcGljdHVyZQ==' }),
  ];
  const { code, stdout } = await edgeclip(['embed', '--stream'], {
    cwd: work.path,
    input: Buffer.from(lines.join('\n')),
  });
  expect(code).toBe(0);
  const answers = jsonLines<{ id?: unknown; embedding?: number[]; error?: string; code?: string }>(stdout);
  expect(answers.map(({ id, code }) => [id, code])).toEqual([[undefined, undefined], [7, 'IO'], [{ any: 'kind' }, undefined], ['words', undefined], [undefined, undefined], [4, undefined], [6, undefined], [undefined, undefined], [5, 'IMAGE_FORMAT']]); // biome-ignore format: one line
  const [expected] = await clip.encodeImage([new Uint8Array(photo)]);
  for (const i of [0, 2]) expect(Float32Array.from(answers[i]!.embedding!)).toEqual(expected);
  expect(answers[3]!.embedding).toHaveLength(clip.config.embedDim);
  expect(answers[4]!.error).toMatch(/^line 5 is not JSON: /);
  expect(answers[7]!.error).toBe('line 8 is empty');
});

it('repeats an id of --stream as it is written', async () => {
  /** Lines, and the id that each has. */
  const lines: [string, string | undefined][] = [
    ['{"id":9007199254740993,"path":"none"}', '9007199254740993'],
    ['{"path":"none", "id" : 1e400 }', '1e400'],
    ['{"id":0.10000000000000000001,"url":"ftp://x"}', '0.10000000000000000001'],
    ['{"\\u0069d":-0,"path":"none"}', '-0'],
    ['{"id":1,"path":"none","id":2.0}', '2.0'],
    ['{"id":[ 12345678901234567890 , {"id" : "a, \\"b\\" : c\\\\" ,\t"id":[]} ],"path":"none"}', '[12345678901234567890,{"id":"a, \\"b\\" : c\\\\","id":[]}]'],
    ['{"nested":{"id":3},"list":["id",4],"path":"none"}', undefined],
    ['{"id":"\\ud800 größe","base64":"AA=="}', '"\\ud800 größe"'],
    ['{"id":null,"path":"none"}', 'null'],
    [`{"id":${'['.repeat(20_000)}${']'.repeat(20_000)},"path":"none"}`, `${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['{}', undefined],
    ['["id", 5]', undefined],
  ]; // biome-ignore format: one line
  const input = Buffer.from(lines.map(([line]) => `${line}\n`).join(''));
  const { code, stdout } = await edgeclip(['embed', '--stream'], { cwd: work.path, input });
  const answers = stdout.trimEnd().split('\n');
  expect([code, answers.length]).toEqual([0, lines.length]);
  for (const [i, [, id]] of lines.entries()) {
    const beginning = id === undefined ? '{"error":"' : `{"id":${id},"error":"`;
    expect(answers[i]!.slice(0, beginning.length)).toBe(beginning);
  }
});

it('answers lines of --stream that are empty or no text, and refuses UTF-16', async () => {
  const input = Buffer.from('\n \t\r\na\0b.png\n{"path":"a\\u0000b.png"}\n\xff{\n{"a":"\xff"}\n', 'latin1');
  const { code, stdout } = await edgeclip(['embed', '--stream'], { cwd: work.path, input });
  expect([code, jsonLines<{ error: string }>(stdout).map(({ error }) => error)]).toEqual([
    0,
    [
      'line 1 is empty',
      'line 2 is empty',
      'line 3 has a NUL byte: expected text in UTF-8',
      'the name has a NUL character',
      'there is no such file',
      expect.stringMatching(/^line 6 is not JSON: .*utf-8/),
    ],
  ]);
  const wide = Buffer.from('\ufeff{"path":"a.png"}\n', 'utf16le');
  for (const bytes of [wide, Buffer.from(wide).swap16()]) {
    const refused = await edgeclip(['embed', '--stream'], { cwd: work.path, input: bytes });
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([1, '', 'error: standard input is UTF-16: expected UTF-8 [IO]\n']); // biome-ignore format: one line
  }
});

it('answers a line of --stream before the next is written', async () => {
  const child = spawn(process.execPath, [join(projectPath, 'dist/cli/main.js'), 'embed', '--stream']);
  try {
    for (const name of ['cat.png', 'rocket.jpg']) {
      child.stdin.write(`${join(golden, name)}\n`);
      const [answer] = await once(child.stdout, 'data');
      expect(String(answer)).toMatch(/^\{"embedding":\[/);
    }
    child.stdin.end();
    expect(await once(child, 'close')).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
