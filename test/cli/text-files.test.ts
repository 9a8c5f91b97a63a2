import { isUtf8 } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeText } from '../../src/cli/text-file.ts';
import { firstInvalidByte } from '../../src/utf8.ts';
import { photo } from '../api/pictures.ts';
import { edgeclip, jsonLines, workFolder } from './command.ts';

const utf16 = (text: string, littleEndian: boolean): Buffer => {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
  return littleEndian ? bytes : bytes.swap16();
};
const latin1 = (text: string) => Buffer.from(text, 'latin1');

describe('bytes of a text file', () => {
  const TEXT = 'cat\r\ncafé 猫\r\n😀\n';
  it.each([
    ['UTF-8', Buffer.from(TEXT)],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${TEXT}`)],
    ['UTF-16 LE', utf16(TEXT, true)],
    ['UTF-16 BE', utf16(TEXT, false)],
    ['UTF-16 LE at an odd address', Buffer.concat([Buffer.of(0), utf16(TEXT, true)]).subarray(1)],
  ])('%s are read, without the mark', (_, bytes) => {
    expect(decodeText(bytes)).toBe(TEXT);
  });

  it.each([
    ['no bytes', Buffer.alloc(0), ''],
    ['a mark alone', utf16('', true), ''],
    ['a U+FFFD that is really there', Buffer.from('\ufffd'), '\ufffd'],
  ])('%s', (_, bytes, text) => {
    expect(decodeText(bytes)).toBe(text);
  });

  it.each<[string, Buffer, RegExp]>([
    ['Windows-1252', latin1('cat\r\ndog\r\ncaf\xe9\r\n'), /^line 3, byte offset 13: byte 0xE9 is not UTF-8/],
    ['Windows-1252 after a mark', Buffer.concat([Buffer.from('\ufeff'), latin1('\xe9')]), /^line 1, byte offset 3: /],
    ['lines that end with CR', latin1('a\rb\r\xff'), /^line 3, byte offset 4: byte 0xFF/],
    ['a character cut at the end', Buffer.from('cat\n猫').subarray(0, -1), /^line 2, byte offset 4: byte 0xE7/],
    ['UTF-16 LE without its mark', Buffer.from('cat\ndog', 'utf16le'), /^line 1, byte offset 1: a NUL byte; UTF-16/],
    ['UTF-16 BE without its mark', utf16('a', false).subarray(2), /^line 1, byte offset 0: a NUL byte/],
    ['UTF-32 LE', Buffer.from([0xff, 0xfe, 0, 0, 97, 0, 0, 0]), /^line 1, byte offset 2: a NUL character in UTF-16 LE/],
    ['half a surrogate pair', utf16('a\nb\ud83d', true), /^line 2, byte offset 8: a lone surrogate in UTF-16 LE/],
    [
      'UTF-16 BE cut within a character',
      utf16('ab', false).subarray(0, -1),
      /^line 1, byte offset 4: .*UTF-16 BE is incomplete/,
    ],
  ])('%s are refused with line and offset', (_, bytes, message) => {
    expect(() => decodeText(bytes)).toThrow(message);
  });

  it('are UTF-8 exactly if Node says so: every first byte with every second, and edges of the others', () => {
    const wrong: string[] = [];
    for (let lead = 0; lead < 256; lead++) {
      for (let second = 0; second < 256; second++) {
        for (const rest of [[], [0x80], [0x80, 0x80], [0xbf, 0xc0], [0xbf, 0xbf]]) {
          const bytes = Uint8Array.of(lead, second, ...rest);
          if ((firstInvalidByte(bytes) === -1) !== isUtf8(bytes)) wrong.push(bytes.join());
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('B06: text files of the command line', () => {
  let folder: ReturnType<typeof workFolder>;
  beforeAll(() => {
    folder = workFolder({
      'a.jpg': photo,
      'le.txt': utf16('cat\r\ndog\r\n', true),
      'be.txt': utf16('cat\ndog', false),
      'utf8.txt': 'cat\ndog\n',
      'ansi.txt': latin1('dog\ncaf\xe9\n'),
      'ansi-template.txt': latin1('a photo of a {}.\ncaf\xe9 {}\n'),
      'templates.txt': utf16('a photo of a {}.\r\n', true),
      'list.txt': utf16('a.jpg\r\n', true),
      'classes.json': JSON.stringify({ cat: ['a photo of a cat.'], dog: ['a photo of a dog.', 'a dog'] }),
      'wrong.json': '{"cat": "a photo of a cat"}',
    });
  });
  afterAll(() => folder.remove());
  const run = (...args: string[]) => edgeclip(args, { cwd: folder.path });
  const classify = (...args: string[]) => run('classify', 'a.jpg', '--json', ...args);

  it('in UTF-16 with a mark give the labels, templates, texts and names that they hold', async () => {
    const plain = await classify('--labels-file', 'utf8.txt');
    expect(jsonLines<{ labels: object[] }>(plain.stdout)[0]!.labels).toHaveLength(2);
    const others = await Promise.all([
      classify('--labels-file', 'le.txt'),
      classify('--labels-file', 'be.txt', '--templates', 'templates.txt'),
      run('classify', '--files-from', 'list.txt', '--json', '--labels', 'cat,dog'),
    ]);
    for (const { stdout, stderr } of others) expect({ stdout, stderr }).toEqual({ stdout: plain.stdout, stderr: '' });
    const texts = await run('embed', '--text-file', 'be.txt');
    expect(jsonLines<{ text: string }>(texts.stdout).map(({ text }) => text)).toEqual(['cat', 'dog']);
  });

  it.each<[string, string[], string, RegExp?]>([
    ['--labels-file', ['classify', 'a.jpg', '--labels-file', 'ansi.txt'], '"ansi.txt": line 2, byte offset 7: '],
    [
      '--templates',
      ['classify', 'a.jpg', '-l', 'cat,dog', '--templates', 'ansi-template.txt'],
      '"ansi-template.txt": line 2, byte offset 20: ',
    ],
    ['--text-file', ['embed', '--text-file', 'ansi.txt'], '"ansi.txt": line 2, byte offset 7: '],
    [
      '--files-from',
      ['embed', '--files-from', 'ansi.txt'],
      '"ansi.txt": line 2, byte offset 7: ',
      /--null with find -print0/,
    ],
    ['--classes', ['classify', 'a.jpg', '--classes', 'ansi.txt'], '"ansi.txt": line 2, byte offset 7: '],
  ])(
    '%s in Windows-1252 is refused with line and byte',
    async (option, args, place, advice = /save the file as UTF-8/) => {
      const { code, stdout, stderr } = await run(...args);
      expect(stderr).toContain(`error: ${option} ${place}byte 0xE9 is not UTF-8`);
      expect(stderr).toMatch(advice);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    },
  );

  it('may be standard input, once', async () => {
    const plain = await classify('--labels-file', 'utf8.txt');
    const [piped, twice, images] = await Promise.all([
      edgeclip(['classify', 'a.jpg', '--json', '--labels-file', '-'], {
        cwd: folder.path,
        input: Buffer.from('cat\ndog'),
      }),
      edgeclip(['classify', 'a.jpg', '--labels-file', '-', '--templates', '-'], { cwd: folder.path }),
      edgeclip(['embed', '-', '--text-file', '-'], { cwd: folder.path, input: photo }),
    ]);
    expect(piped).toMatchObject({ code: 0, stdout: plain.stdout });
    for (const { code, stderr } of [twice, images]) {
      expect(stderr).toMatch(/^error: - \(standard input\) can be given only once/);
      expect(code).toBe(2);
    }
  });

  it('--classes gives labels prompts of their own', async () => {
    const [own, unused, wrong] = await Promise.all([
      classify('--classes', 'classes.json'),
      classify('--classes', 'classes.json', '--templates', 'openai-7'),
      classify('--classes', 'wrong.json'),
    ]);
    const plain = jsonLines<{ labels: { label: string; similarity: number }[] }>(
      (await classify('--labels', 'cat,dog')).stdout,
    )[0]!.labels;
    const mine = jsonLines<{ labels: { label: string; similarity: number }[] }>(own.stdout)[0]!.labels;
    const of = (labels: typeof plain, name: string) => labels.find(({ label }) => label === name)!.similarity;
    expect(of(mine, 'cat')).toBe(of(plain, 'cat')); // the default template's prompt
    expect(of(mine, 'dog')).not.toBe(of(plain, 'dog'));
    expect(wrong.stderr).toMatch(/^error: --classes "wrong.json": class 1, "cat".*array/);
    expect(own.stderr).toBe('');
    expect(unused).toMatchObject({
      stdout: own.stdout,
      stderr: 'note: --templates was not used: every class has prompts of its own\n',
    });
    expect([own.code, wrong.code]).toEqual([0, 2]);
  });
});
