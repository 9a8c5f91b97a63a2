/** Names of pictures, in lists and in folders: whatever they are, each has a row. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { edgeclip, jsonLines } from '../cli/command.ts';
import { golden, useBatchFolder } from './batch-folder.ts';

const folder = useBatchFolder(120);
const { at, run, plan, table } = folder;

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
  const found = table('listed/part-00000.parquet').rows;
  expect(found.map(({ key }) => key)).toEqual(list);
  expect(found.map(({ error }) => error)).toEqual([null, null, 'status 404 [IO]', null, 'there is no such file [IO]']);
  expect(found[3]!.embedding).toEqual(found[1]!.embedding);
});

it('takes a name as it is, but for what ends a line', async () => {
  const names = ['a\rb.png', 'a\u2028b.png', 'a b.png', 'größe.png'];
  mkdirSync(at('named'));
  for (const name of names) copyFileSync(join(golden, 'cat.png'), at(`named/${name}`));
  execFileSync('bash', ['-c', `cp '${join(golden, 'cat.png')}' $'named/\\xff.png'`], { cwd: folder.path });
  const bytes = (end: string) => Buffer.concat([Buffer.from(names.map((name) => `named/${name}${end}`).join('')), Buffer.from(`named/\xff.png${end}`, 'latin1')]); // biome-ignore format: one line
  writeFileSync(at('named.txt'), Buffer.concat([Buffer.from('\ufeff'), bytes('\r\n')]));
  writeFileSync(at('named.nul'), bytes('\0'));
  await plan('named.txt', '--list', '--output', 'by-line');
  await plan('named.nul', '--list', '--null', '--output', 'by-nul');
  for (const output of ['by-line', 'by-nul']) {
    expect((await run('batch', 'work', '--output', output)).code).toBe(0);
    const { rows: found } = table(`${output}/part-00000.parquet`);
    expect(found.map(({ error }) => error)).toEqual([null, null, null, null, null]);
    expect(found.slice(0, 4).map(({ key }) => key)).toEqual(names.map((name) => `named/${name}`));
  }
  const lines = [...names.map((name) => Buffer.from(`named/${name}`)), Buffer.from('named/\xff.png', 'latin1'), Buffer.from('{"id": 1, "path": "named/a\u2028b.png"}'), Buffer.from('{"id": 2, "path": "named/\\udcff.png"}')]; // biome-ignore format: one line
  const input = Buffer.concat([Buffer.from('\ufeff'), ...lines.flatMap((line) => [line, Buffer.from('\n')])]);
  const { code, stdout } = await edgeclip(['embed', '--stream'], { cwd: folder.path, input });
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
  const found = table('odd-rows/part-00000.parquet').rows;
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
  execFileSync('bash', ['-c', `cp '${join(golden, 'cat.png')}' $'bytes/in/\\xff.png' && ln -s in bytes/link && ln -s .. bytes/in/up`], { cwd: folder.path }); // biome-ignore format: one line
  expect(await plan('bytes', '--output', 'bytes-out')).toBe('2 pictures in 1 shard\n');
  expect((await run('batch', 'work', '--output', 'bytes-out')).code).toBe(0);
  const found = table('bytes-out/part-00000.parquet').rows;
  expect(found.every(({ embedding }) => embedding !== null)).toBe(true);
});
