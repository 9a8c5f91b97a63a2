import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOverwrites, type Outputs } from '../../src/cli/overwrites.ts';
import { golden, photo } from '../api/pictures.ts';
import { edgeclip, shell, workFolder } from './command.ts';
import { readNpy } from './npy.ts';

const UNIX = process.platform !== 'win32';

let folder: ReturnType<typeof workFolder>;
let before: string;
beforeAll(() => {
  folder = workFolder({
    'a.png': photo,
    'b.png': photo,
    'texts.txt': 'cat\n',
    'm.pt': 'weights',
    'old.npy': 'an older output',
    'sub/notes.txt': '',
    'tiny/config.json': golden('tiny-vit-hf/config.json'),
    'tiny/model.safetensors': golden('tiny-vit-hf/model.safetensors'),
    'tiny/preprocessor_config.json': golden('tiny-vit-hf/preprocessor_config.json'),
  });
  before = process.cwd();
  process.chdir(folder.path);
  if (!UNIX) return;
  symlinkSync('a.png', 'link.png');
  symlinkSync('new.npy', 'link-to-out');
  symlinkSync('..', 'sub/up');
  linkSync('a.png', 'hard.png');
  linkSync('tiny/model.safetensors', 'weights.npy');
});
afterAll(() => {
  process.chdir(before);
  folder.remove();
});
const run = (...args: string[]) => edgeclip(args, { cwd: folder.path });
/** Temporary files that are left. */
const left = (at = folder.path) => readdirSync(at).filter((name) => name.includes('.partial'));

describe('B04: an output that is an input', () => {
  const check = (
    outputs: Outputs,
    pictures: string[] = ['a.png', 'b.png'],
    texts: string[] = ['texts.txt'],
    model = 'tiny',
  ) => {
    const files = pictures.map((name) => ({ name, isFile: true }));
    return () => checkOverwrites(outputs, { pictures: files, texts, model });
  };

  it('is accepted if it is another file', () => {
    expect(check({ output: 'out.npy', index: 'out.jsonl' })).not.toThrow();
    expect(check({ output: 'old.npy', index: 'sub/old.npy' })).not.toThrow();
    expect(check({ output: '/dev/null', index: '/dev/null' })).not.toThrow();
    expect(check({ output: 'tiny/out.npy' })).not.toThrow();
  });

  it.each<[string, Outputs, RegExp, string?]>([
    ['by its name', { output: 'a.png' }, /--output "a.png" is the same file as the image "a.png"/],
    ['as the index', { output: 'x', index: 'b.png' }, /--index "b.png" is the same file as the image "b.png"/],
    ['by another path', { output: 'sub/../b.png' }, /the same file as the image "b.png"/],
    ['a text file', { output: './texts.txt' }, /the same file as "texts.txt"/],
    ['one file for both', { output: 'x', index: './x' }, /--output and --index are the same file, "x"/],
    ["the other's temporary file", { output: 'x', index: 'x.partial' }, /are the same file/],
    ['a model in a file', { output: './m.pt' }, /the same file as the model's "m.pt"/, 'm.pt'],
    ['a file beside it', { output: 'sub/../tokenizer.json' }, /would be a file of the model/, 'm.pt'],
    ['weights of the model', { output: 'tiny/model.safetensors' }, /the same file as the model's "model.safetensors"/],
    ['what the model would read', { index: 'tiny/processor_config.json' }, /would be a file of the model "tiny"/],
  ])('%s is refused', (_, outputs, message, model) => {
    expect(check(outputs, undefined, undefined, model)).toThrow(message);
  });

  it.skipIf(!UNIX).each<[string, Outputs, string[], RegExp]>([
    ['a symbolic link', { output: 'link.png' }, ['a.png'], /the same file as the image "a.png"/],
    ['what a link leads to', { output: 'a.png' }, ['link.png'], /the same file as the image "link.png"/],
    ['a hard link', { output: 'hard.png' }, ['a.png'], /the same file/],
    ['a folder reached through a link', { output: 'sub/up/a.png' }, ['a.png'], /the same file/],
    [
      'a link to an output to come',
      { output: 'new.npy', index: 'link-to-out' },
      [],
      /--output and --index are the same/,
    ],
    ['a hard link to weights', { output: 'weights.npy' }, [], /the model's "model.safetensors"/],
    ['a temporary file that is an input', { output: 'x' }, ['x.partial'], /is the same file as the image/],
  ])('%s is refused', (_, outputs, pictures, message) => {
    expect(check(outputs, pictures)).toThrow(message);
  });

  it('ends the command with 2, and nothing was opened', async () => {
    const args: string[][] = [
      ['a.png', '--output', './a.png'],
      ['.', '--output', 'out.npy', '--index', `../${basename(folder.path)}/b.png`],
      ['a.png', '--text-file', 'texts.txt', '--index', 'texts.txt'],
      ['a.png', '--output', 'out.npy', '--index', 'out.npy'],
    ];
    const outcomes = await Promise.all(args.map((one) => run('embed', ...one)));
    for (const { code, stdout, stderr } of outcomes) {
      expect(stderr).toMatch(/^error: .*the same file/);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    }
    expect(readFileSync('a.png')).toEqual(Buffer.from(photo));
    expect(readFileSync('b.png')).toEqual(Buffer.from(photo));
    expect(readFileSync('texts.txt', 'utf8')).toBe('cat\n');
    expect([existsSync('out.npy'), ...left()]).toEqual([false]);
  });

  it.skipIf(!UNIX)('is found behind a redirection', async () => {
    const outcomes = await Promise.all([
      shell('$edgeclip embed a.png --index r1 >> r1', { cwd: folder.path }),
      shell('$edgeclip classify a.png -l cat,dog >> a.png', { cwd: folder.path }),
      shell('$edgeclip embed - --output a.png < a.png', { cwd: folder.path }),
    ]);
    for (const { code, stderr } of outcomes) {
      expect(stderr).toMatch(/^error: .*standard (input|output)/);
      expect(code).toBe(2);
    }
    expect(readFileSync('a.png')).toEqual(Buffer.from(photo));
  });
});

describe('B04: an older output', () => {
  const TINY = ['--model', 'tiny', '--format', 'npy'];

  it('is replaced when the new one is whole: mode and links stay', async () => {
    cpSync('old.npy', 'older.npy');
    if (UNIX) {
      execFileSync('chmod', ['640', 'older.npy']);
      symlinkSync('../older.npy', 'sub/link.npy');
    }
    const to = UNIX ? 'sub/link.npy' : 'older.npy';
    const { code, stderr } = await run('embed', 'a.png', ...TINY, '--output', to);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(readNpy(readFileSync('older.npy')).shape).toEqual([1, 96]);
    if (UNIX) expect(execFileSync('stat', ['-c', '%a', 'older.npy'], { encoding: 'utf8' })).toBe('640\n');
    expect([...left(), ...left('sub')]).toEqual([]);
  });

  it.skipIf(!UNIX)('stays when the disk is full, and no part is left under its name', async () => {
    // A limit on file sizes (in 1024 bytes) fails in write as a full disk does.
    const many = Array(8).fill('a.png').join(' ');
    const limit = (kib: number, options: string) =>
      shell(`ulimit -f ${kib}; $edgeclip embed ${many} ${TINY.join(' ')} ${options}`, { cwd: folder.path });
    const [alone, indexed] = await Promise.all([
      limit(2, '--output old.npy'),
      limit(2, '--output full.npy --index full.jsonl'),
    ]);
    for (const { code, stderr } of [alone, indexed]) {
      expect(stderr).toMatch(/^error: cannot write ".*\.npy\.partial": .* \[IO\]\n$/m);
      expect(code).toBe(1);
    }
    expect(readFileSync('old.npy', 'utf8')).toBe('an older output');
    expect(indexed.stderr).toMatch(
      /^stopped early: \d rows? (is|are) kept in "full.npy.partial"; .* --resume continues\n/,
    );
    expect(left().sort()).toEqual(['full.jsonl.partial', 'full.npy.partial']);
    const [resumed, whole] = await Promise.all([
      shell(`$edgeclip embed ${many} ${TINY.join(' ')} --output full.npy --index full.jsonl --resume`, {
        cwd: folder.path,
      }),
      shell(`$edgeclip embed ${many} ${TINY.join(' ')}`, { cwd: folder.path }),
    ]);
    expect(resumed.stderr).toMatch(/^resuming: [1-9] of 8 rows are kept\n$/);
    expect(readFileSync('full.npy')).toEqual(whole.bytes);
    expect(left()).toEqual([]);
  });

  it.skipIf(!UNIX)('is written to directly if it is a device or a pipe', async () => {
    const file = await run('embed', 'a.png', ...TINY);
    const [stream, pipe, nowhere, full] = await Promise.all([
      run('embed', 'a.png', ...TINY, '--output', '/dev/stdout'),
      shell(`mkfifo p; cat p & $edgeclip embed a.png ${TINY.join(' ')} --output p; wait`, { cwd: folder.path }),
      run('embed', 'a.png', ...TINY, '--output', '/dev/null', '--index', '/dev/null'),
      run('embed', 'a.png', ...TINY, '--output', '/dev/null', '--index', '/dev/full'),
    ]);
    expect(stream.bytes).toEqual(file.bytes);
    expect(pipe.bytes).toEqual(file.bytes);
    expect(nowhere).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(full).toMatchObject({ code: 1, stderr: expect.stringMatching(/"\/dev\/full": no space is left/) });
  });

  it('must have a place', async () => {
    mkdirSync('folder.npy', { recursive: true });
    const [nowhere, directory] = await Promise.all([
      run('embed', 'a.png', '--output', 'nowhere/x.npy'),
      run('embed', 'a.png', '--output', 'folder.npy'),
    ]);
    expect(nowhere).toMatchObject({
      code: 1,
      stderr: 'error: cannot write "nowhere/x.npy": there is no such folder [IO]\n',
    });
    expect(directory).toMatchObject({ code: 1, stderr: 'error: cannot write "folder.npy": it is a folder [IO]\n' });
  });
});

describe.skipIf(!UNIX)('standard output', () => {
  const classify = '$edgeclip classify a.png --labels cat,dog';
  it.each([
    ['closed from the start', `${classify} >&-`, 1, /^error: cannot write standard output: it is closed/],
    ['closed, and only help to print', '$edgeclip --help >&-', 1, /it is closed/],
    ['closed, and only the version to print', '$edgeclip -v >&-', 1, /it is closed/],
    ['a full device', `${classify} > /dev/full`, 1, /^error: cannot write standard output: no space is left/],
    ['a file on a full disk', `ulimit -f 0; ${classify} --json > w.jsonl`, 1, /^error: cannot write standard output: /],
    ['not wanted', `${classify} > /dev/null`, 0, /^$/],
    ['not wanted by the parent program, which opens it for both', `env ${classify} 1<> /dev/null`, 0, /^$/],
    ['not needed', `$edgeclip embed a.png --output z.json >&-`, 0, /^$/],
  ])('%s', async (_, line, code, message) => {
    const outcome = await shell(line, { cwd: folder.path });
    expect(outcome.stderr).toMatch(message);
    expect(outcome.code).toBe(code);
  });
});

it.runIf(UNIX).each<[string, () => void]>([
  ['folder', () => mkdirSync('keep.json.partial')],
  ['named pipe', () => execFileSync('mkfifo', ['keep.json.partial'])],
])('a %s that has the name of a partial output is left alone', async (_, make) => {
  make();
  const { code, stderr } = await run('embed', 'a.png', '--output', 'keep.json');
  expect(code).toBe(1);
  expect(stderr).toContain('keep.json.partial" exists and is not from an earlier run of edgeclip');
  expect(existsSync('keep.json.partial')).toBe(true);
  rmSync('keep.json.partial', { recursive: true });
});

it('a file of another kind that has the name of a partial output is left alone', async () => {
  writeFileSync('keep.json.partial', 'mine');
  const { code, stderr } = await run('embed', 'a.png', '--output', 'keep.json');
  expect(code).toBe(1);
  expect(stderr).toContain('keep.json.partial" exists and is not from an earlier run of edgeclip');
  expect(readFileSync('keep.json.partial', 'utf8')).toBe('mine');
  rmSync('keep.json.partial');
});
