/** `edgeclip embed --stream`: an answer for each line of standard input. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { edgeclip, jsonLines, projectPath } from '../cli/command.ts';
import { golden, useBatchFolder, useImageTower } from './batch-folder.ts';

const folder = useBatchFolder();
const model = useImageTower();

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
    cwd: folder.path,
    input: Buffer.from(lines.join('\n')),
  });
  expect(code).toBe(0);
  const answers = jsonLines<{ id?: unknown; embedding?: number[]; error?: string; code?: string }>(stdout);
  expect(answers.map(({ id, code }) => [id, code])).toEqual([[undefined, undefined], [7, 'IO'], [{ any: 'kind' }, undefined], ['words', undefined], [undefined, undefined], [4, undefined], [6, undefined], [undefined, undefined], [5, 'IMAGE_FORMAT']]); // biome-ignore format: one line
  const [expected] = await model.clip.encodeImage([new Uint8Array(photo)]);
  for (const i of [0, 2]) expect(Float32Array.from(answers[i]!.embedding!)).toEqual(expected);
  expect(answers[3]!.embedding).toHaveLength(model.clip.config.embedDim);
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
  const { code, stdout } = await edgeclip(['embed', '--stream'], { cwd: folder.path, input });
  const answers = stdout.trimEnd().split('\n');
  expect([code, answers.length]).toEqual([0, lines.length]);
  for (const [i, [, id]] of lines.entries()) {
    const beginning = id === undefined ? '{"error":"' : `{"id":${id},"error":"`;
    expect(answers[i]!.slice(0, beginning.length)).toBe(beginning);
  }
});

it('answers lines of --stream that are empty or no text, and refuses UTF-16', async () => {
  const input = Buffer.from('\n \t\r\na\0b.png\n{"path":"a\\u0000b.png"}\n\xff{\n{"a":"\xff"}\n', 'latin1');
  const { code, stdout } = await edgeclip(['embed', '--stream'], { cwd: folder.path, input });
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
    const refused = await edgeclip(['embed', '--stream'], { cwd: folder.path, input: bytes });
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([1, '', 'error: standard input is UTF-16: expected UTF-8 [IO]\n']); // biome-ignore format: one line
  }
});

it('answers a line of --stream before the next is written', async () => {
  const child = spawn(process.execPath, [join(projectPath, 'dist/cli/main.js'), 'embed', '--stream']);
  try {
    const answers = createInterface({ input: child.stdout });
    for (const name of ['cat.png', 'rocket.jpg']) {
      const answered = once(answers, 'line');
      child.stdin.write(`${join(golden, name)}\n`);
      expect(JSON.parse((await answered)[0]).embedding).toHaveLength(model.clip.config.embedDim);
    }
    child.stdin.end();
    expect(await once(child, 'close')).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
