import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nameFromArgument } from '../../src/cli/argument-name.ts';
import { visible } from '../../src/cli/failure.ts';
import { type InputOptions, Pictures } from '../../src/cli/inputs.ts';
import { Progress } from '../../src/cli/progress.ts';
import { nameFromBytes, toPath } from '../../src/file-name.ts';
import { photo } from '../api/pictures.ts';
import { edgeclip, jsonLines, shell, workFolder } from './command.ts';

const UNIX = process.platform !== 'win32';
/** Some file systems take only names in UTF-8. */
const ANY_BYTES = process.platform === 'linux';

let folder: ReturnType<typeof workFolder>;
let before: string;

/** What the arguments stand for, without a process of its own. */
async function collect(args: readonly string[], options: InputOptions = {}) {
  let stderr = '';
  const stream = new Writable({
    write(chunk, _, done) {
      stderr += chunk;
      done();
    },
  });
  const pictures = await Pictures.collect(args, options, new Progress(stream as unknown as NodeJS.WriteStream));
  pictures.reportSkipped();
  const failures: string[] = [];
  const names: string[] = [];
  for (const input of pictures.inputs) {
    await input.read().then(
      () => names.push(input.name.replaceAll('\\', '/')),
      ({ message }) => failures.push(`${input.name}: ${message}`),
    );
  }
  return { names, failures, stderr };
}

beforeEach(() => {
  before = process.cwd();
  folder = workFolder({
    'photos/b.JPG': photo,
    'photos/a.jpg': photo,
    'photos/.hidden.jpg': photo,
    'photos/notes.txt': 'a text',
    'photos/x.tiff': '',
    'photos/deep/y.TIFF': '',
    'photos/deep/z.gif': '',
    'photos/deep/c.png': photo,
    'photos/deep/er/d.webp': photo,
    'photos/.git/e.jpg': photo,
    'top.jpg': photo,
  });
});
afterEach(() => {
  process.chdir(before);
  folder.remove();
});
const inFolder = (name: string) => join(folder.path, name);

describe('a folder', () => {
  beforeEach(() => process.chdir(folder.path));

  it('gives its own pictures, or with --recursive those below; other kinds are counted', async () => {
    expect(await collect(['photos'])).toEqual({
      names: ['photos/a.jpg', 'photos/b.JPG'],
      failures: [],
      stderr: 'skipped 1 file: 1 .tiff\n',
    });
    expect(await collect(['photos'], { recursive: true })).toEqual({
      names: ['photos/a.jpg', 'photos/b.JPG', 'photos/deep/c.png', 'photos/deep/er/d.webp'],
      failures: [],
      stderr: 'skipped 3 files: 2 .tiff, 1 .gif\n',
    });
  });

  it('gives AVIF and HEIC files where their packages are installed', async () => {
    for (const name of ['a.avif', 'b.HEIC', 'c.heif', 'd.hif']) writeFileSync(join('photos', name), photo);
    expect((await collect(['photos'])).names).toEqual(
      ['a.avif', 'a.jpg', 'b.HEIC', 'b.JPG', 'c.heif', 'd.hif'].map((name) => `photos/${name}`),
    );
  });

  it('without pictures says what it holds, and what its subfolders hold', async () => {
    mkdirSync('top/one/two', { recursive: true });
    for (const name of ['one/a.png', 'one/two/b.jpg', 'NOTES', 'c.bmp']) writeFileSync(join('top', name), '');
    for (const name of ['w', 'x', 'y', 'z']) {
      mkdirSync(join('four', name), { recursive: true });
      writeFileSync(join('four', name, 'a.jpg'), '');
    }
    mkdirSync('nothing/below', { recursive: true });
    const what = 'no .jpg, .jpeg, .png or .webp file';
    expect((await collect(['top', 'four', 'nothing'])).failures).toEqual([
      `top: the folder has ${what} (2 files: 1 without extension, 1 .bmp); subfolder one/ has 2: add --recursive`,
      `four: the folder has ${what}; subfolders w/, x/, y/ and 1 more have 4: add --recursive`,
      `nothing: the folder has ${what}`,
    ]);
    expect((await collect(['nothing'], { recursive: true })).failures).toEqual([
      `nothing: the folder and its subfolders have ${what}`,
    ]);
  });

  it.skipIf(!UNIX)('is visited once, whatever links lead back to it; links to pictures count', async () => {
    symlinkSync('..', 'photos/deep/up');
    symlinkSync('deep', 'photos/again');
    symlinkSync('../top.jpg', 'photos/link.jpg');
    symlinkSync('nowhere', 'photos/broken.png');
    const { names, failures, stderr } = await collect(['photos'], { recursive: true });
    expect(names).toEqual([
      'photos/a.jpg',
      'photos/again/c.png',
      'photos/again/er/d.webp',
      'photos/b.JPG',
      'photos/link.jpg',
    ]);
    expect(failures).toEqual(['photos/broken.png: there is no such file']);
    expect(stderr.split('\n').slice(0, 2)).toEqual([
      'skipped "photos/again/up": a folder that was already visited',
      'skipped "photos/deep": a folder that was already visited',
    ]);
  });
});

describe('a URL', () => {
  it('is not read, and the message says what to do', async () => {
    process.chdir(folder.path);
    expect((await collect(['https://host/a?b.png', 'top.jpg', 'file:///top.jpg'])).failures).toEqual([
      'https://host/a?b.png: URLs are not read: download it first, e.g. curl -s URL | edgeclip classify -',
      'file:///top.jpg: URLs are not read: give the path',
    ]);
  });
});

describe('names from elsewhere', () => {
  beforeEach(() => process.chdir(folder.path));

  it('a list has one per line, or between NULs; its folders are walked', async () => {
    writeFileSync('lines.txt', 'top.jpg\r\n\r\nphotos\n missing.jpg\n');
    writeFileSync('nulls.bin', 'top.jpg\0photos/a.jpg\0\0photos/b.JPG');
    expect(await collect(['photos/a.jpg'], { filesFrom: 'lines.txt' })).toMatchObject({
      names: ['photos/a.jpg', 'top.jpg', 'photos/a.jpg', 'photos/b.JPG'],
      failures: [' missing.jpg: there is no such file'],
    });
    expect((await collect([], { filesFrom: 'nulls.bin', null: true })).names).toEqual([
      'top.jpg',
      'photos/a.jpg',
      'photos/b.JPG',
    ]);
    writeFileSync('empty.txt', '\n');
    await expect(collect([], { filesFrom: 'empty.txt' })).rejects.toThrow('"empty.txt" has no names');
    await expect(collect([], { filesFrom: 'none.txt' })).rejects.toThrow('"none.txt": there is no such file');
  });

  it('a pattern that the shell left as it is gives what matches; a file of that very name comes first', async () => {
    expect((await collect(['photos/*.{jpg,JPG}', 't?p.jpg', 'photos/[ab].jpg'])).names).toEqual([
      'photos/a.jpg',
      'photos/b.JPG',
      'top.jpg',
      'photos/a.jpg',
    ]);
    expect((await collect(['**/*.png', '**/*.webp'])).names).toEqual(['photos/deep/c.png', 'photos/deep/er/d.webp']);
    expect((await collect([inFolder('photos/*.jpg')])).names).toEqual([inFolder('photos/a.jpg').replaceAll('\\', '/')]);
    expect((await collect(['*.tiff', 'photo[1].jpg'])).failures).toEqual([
      '*.tiff: there is no such file, and no file matches it as a pattern',
      'photo[1].jpg: there is no such file, and no file matches it as a pattern',
    ]);
    if (!UNIX) return;
    writeFileSync('*.jpg', photo);
    expect((await collect(['*.jpg'])).names).toEqual(['*.jpg']);
    symlinkSync('..', 'photos/up');
    expect((await collect(['**/*.webp'])).names).toEqual(['photos/deep/er/d.webp']);
  });
});

describe.skipIf(!UNIX)('B17: what is not a regular file', () => {
  it('is passed over in a folder, a list and a pattern, with a line each, and the rest is done', async () => {
    process.chdir(folder.path);
    mkdirSync('odd');
    for (const name of ['a.png', 'd.jpg']) writeFileSync(join('odd', name), photo);
    execFileSync('mkfifo', ['odd/b.jpg']);
    symlinkSync('/dev/zero', 'odd/e.png');
    const server = createServer().listen('odd/c.jpg');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const lines = [
        'skipped "odd/b.jpg": a named pipe',
        'skipped "odd/c.jpg": a socket',
        'skipped "odd/e.png": a device',
      ];
      const done = { names: ['odd/a.png', 'odd/d.jpg'], failures: [], stderr: `${lines.join('\n')}\n` };
      expect(await collect(['odd'])).toEqual(done);
      expect(await collect(['odd/*'])).toEqual({ ...done, stderr: `${lines[2]}\n` }); // the others match no pattern
      writeFileSync(
        'list.txt',
        readdirSync('odd')
          .sort()
          .map((name) => `odd/${name}`)
          .join('\n'),
      );
      expect(await collect([], { filesFrom: 'list.txt' })).toEqual(done);
      const { code, stdout, stderr } = await edgeclip(['embed', 'odd'], { cwd: folder.path });
      expect(jsonLines<{ file: string }>(stdout).map(({ file }) => file)).toEqual(done.names);
      expect({ code, stderr }).toEqual({ code: 0, stderr: done.stderr });
    } finally {
      server.close();
    }
  });

  it('is refused where the user names it, unless it is a pipe', async () => {
    process.chdir(folder.path);
    const server = createServer().listen('s.jpg');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      expect(await collect(['/dev/zero', 's.jpg', 'top.jpg'])).toEqual({
        names: ['top.jpg'],
        failures: [
          '/dev/zero: it is a device; only regular files and named pipes are read',
          's.jpg: it is a socket; only regular files and named pipes are read',
        ],
        stderr: '',
      });
      await expect(collect([], { filesFrom: '/dev/zero' })).rejects.toThrow('cannot read "/dev/zero": it is a device');
    } finally {
      server.close();
    }
  });

  it('says what it waits for', async () => {
    const write = '(until grep -q waiting err; do sleep 0.1; done; cat top.jpg > f.jpg)';
    const line = `touch err; mkfifo f.jpg; ${write} & $edgeclip classify f.jpg --labels cat,dog --top 1 2> err; cat err`;
    const { code, stdout } = await shell(line, { cwd: folder.path });
    expect(stdout).toMatch(/^f\.jpg\n[\s\S]*\n {2}1 of 2 labels\nwaiting for data from "f.jpg"\n$/);
    expect(code).toBe(0);
  });

  it('is read where the user names it: a FIFO, a pipe of the shell', async () => {
    const options = "--labels-file <(printf 'cat\\ndog') --json --top 1";
    const line = `mkfifo f.jpg; cat top.jpg > f.jpg & $edgeclip classify f.jpg <(cat top.jpg) top.jpg ${options}`;
    const { code, stdout, stderr } = await shell(line, { cwd: folder.path });
    const lines = jsonLines<{ file: string; labels: object[] }>(stdout);
    expect(lines.map(({ file }) => file)).toEqual(['f.jpg', expect.stringMatching(/^\/dev\/fd\//), 'top.jpg']);
    expect(lines.map(({ labels }) => labels)).toEqual(Array(3).fill(lines[2]!.labels));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('names that are not UTF-8', () => {
  const BYTES = Buffer.from('caf\xe9 \xff.jpg', 'latin1');
  const NAME = 'caf\udce9 \udcff.jpg';

  it.skipIf(!UNIX)('are strings with a surrogate for each byte that does not fit, and back', () => {
    expect(nameFromBytes(BYTES)).toBe(NAME);
    expect(toPath(NAME)).toEqual(BYTES);
    expect(toPath('猫 ü 😀.jpg')).toBe('猫 ü 😀.jpg');
    const every = Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1));
    expect(Buffer.from(toPath(nameFromBytes(every)))).toEqual(every);
    expect(visible(NAME)).toBe('caf\\xE9 \\xFF.jpg');
  });

  it.skipIf(!ANY_BYTES)('are opened, from a folder, an argument, a list and a pattern', async () => {
    const path = Buffer.concat([Buffer.from(inFolder('odd/')), BYTES]);
    mkdirSync(inFolder('odd'));
    writeFileSync(path, photo);
    const [walked, given, listed, matched, bad] = await Promise.all([
      edgeclip(['embed', 'odd'], { cwd: folder.path }),
      shell('$edgeclip embed odd/*.jpg', { cwd: folder.path }),
      shell('find odd -type f -print0 | $edgeclip embed --files-from - --null', { cwd: folder.path }),
      edgeclip(['embed', 'odd/*.jpg'], { cwd: folder.path }),
      shell("touch $'b\\xe4d.jpg'; $edgeclip embed b*.jpg", { cwd: folder.path }),
    ]);
    expect(walked).toMatchObject({ code: 0, stderr: '' });
    expect(jsonLines<{ file: string }>(walked.stdout)[0]!.file).toBe(`odd/${NAME}`);
    for (const { code, stdout, stderr } of [given, listed, matched]) {
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: walked.stdout, stderr: '' });
    }
    expect(bad.stderr).toMatch(/^error: "b\\xE4d.jpg": .*empty/);
  });

  it.skipIf(!ANY_BYTES)('are reported where an argument may mean more than one', () => {
    process.chdir(folder.path);
    for (const byte of [0xe8, 0xe9]) writeFileSync(Buffer.from([0x63, byte]), '');
    expect(nameFromArgument('c\ufffd')).toBeUndefined();
    expect(nameFromArgument('plain')).toBe('plain');
  });
});
