import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Progress } from '../../src/cli/progress.ts';
import { RowWriter } from '../../src/cli/row-writer.ts';
import { ROW_FORMATS } from '../../src/cli/rows.ts';
import { golden, photo } from '../api/pictures.ts';
import { edgeclip, jsonLines, startEdgeclip, workFolder } from './command.ts';
import { readNpy } from './npy.ts';
import { SLOW_PICTURES } from './slow-pictures.ts';

let folder: ReturnType<typeof workFolder>;
afterEach(() => folder.remove());
const inFolder = (name: string) => join(folder.path, name);
const read = (name: string) => readFileSync(inFolder(name));
const partials = () => readdirSync(folder.path).filter((name) => name.includes('.partial'));

describe.each(['npy', 'json'] as const)('rows in %s', (format) => {
  const WIDTH = 3;
  beforeEach(() => {
    folder = workFolder({ 'notes.txt': '' });
  });

  interface Run {
    readonly resume?: boolean;
    readonly maker?: string;
    /** Stop after so many new rows, as a killed run does. */
    readonly stopAfter?: number;
    readonly to?: string;
    readonly times?: Readonly<Record<string, string>>;
  }
  /** Writes a row for each name; returns the names that were computed. */
  async function run(names: string, { resume = true, maker = 'm', stopAfter, to = 'out', times = {} }: Run = {}) {
    const target = {
      output: inFolder(to),
      index: inFolder(`${to}.jsonl`),
      format: ROW_FORMATS[format],
      width: WIDTH,
      makers: { file: maker, text: maker },
      resume,
    };
    const writer = await RowWriter.open(target, new Progress());
    let computed = '';
    const stamp = (name: string) => ({ size: name.charCodeAt(0), mtime: times[name] ?? '2026-01-01T00:00:00.000Z' });
    const missing = [...names].map((name, place) => ({ name, place }));
    const todo = resume
      ? missing.filter(({ name, place }) => !writer.keep(place, { file: name }, stamp(name)))
      : missing;
    for (const { name, place } of todo) {
      if (computed.length === stopAfter) {
        expect(await writer.stop()).toContain(`kept in "${inFolder(to)}.partial"; the same command with --resume`);
        return computed;
      }
      const seed = name.charCodeAt(0) + maker.charCodeAt(0) / 256 + (times[name]?.length ?? 0);
      await writer.add(place, { file: name }, stamp(name), Float32Array.of(seed, seed / 3, -seed));
      computed += name;
    }
    await writer.end();
    return computed;
  }
  /** What an uninterrupted run writes. */
  async function expectLike(names: string, options: Run = {}): Promise<void> {
    await run(names, { ...options, resume: false, to: 'fresh' });
    expect(read('out')).toEqual(read('fresh'));
    expect(read('out.jsonl')).toEqual(read('fresh.jsonl'));
    expect(partials()).toEqual([]);
  }

  it('of an interrupted run are kept, again and again', async () => {
    expect(await run('abcdefgh', { stopAfter: 2, resume: false })).toBe('ab');
    expect(existsSync(inFolder('out'))).toBe(false);
    expect(await run('abcdefgh', { stopAfter: 3 })).toBe('cde');
    expect(await run('abcdefgh')).toBe('fgh');
    await expectLike('abcdefgh');
    expect(await run('abcdefgh')).toBe('');
    await expectLike('abcdefgh');
  });

  it('follow the order of the inputs, whatever it was before', async () => {
    await run('abcdef', { stopAfter: 4, resume: false });
    expect(await run('xfdab', { stopAfter: 1 })).toBe('x');
    expect(await run('zfxdab')).toBe('zf');
    await expectLike('zfxdab');
    expect(await run('fxx')).toBe('');
    await expectLike('fxx');
  });

  it('of a finished run are kept where size, time, model and options are the same', async () => {
    await run('abcd');
    const changed = { b: '2026-02-02T00:00:00.000+00:00' };
    expect(await run('abcde', { times: changed })).toBe('be');
    await expectLike('abcde', { times: changed });
    expect(await run('abcd', { maker: 'n', stopAfter: 2 })).toBe('ab');
    expect(await run('abcd', { maker: 'n' })).toBe('cd');
    await expectLike('abcd', { maker: 'n' });
  });

  it('are computed again after a run without --resume began', async () => {
    await run('abcd', { stopAfter: 3, resume: false });
    await run('abcd', { stopAfter: 1, resume: false });
    expect(await run('abcd')).toBe('bcd');
    await expectLike('abcd');
  });

  it('that were cut, or do not fit their checksum, are computed again', async () => {
    await run('abcdefgh', { stopAfter: 6, resume: false });
    truncateSync(inFolder('out.partial'), statSync(inFolder('out.partial')).size - 1); // f
    truncateSync(inFolder('out.jsonl.partial'), statSync(inFolder('out.jsonl.partial')).size - 1);
    const bytes = read('out.partial');
    const second = format === 'npy' ? 128 + 4 * WIDTH + 4 : bytes.indexOf('"embedding":[98') + '"embedding":['.length;
    bytes[second] = bytes[second]! ^ 1; // a number of b
    writeFileSync(inFolder('out.partial'), bytes);
    expect(await run('abcdefgh')).toBe('bfgh');
    await expectLike('abcdefgh');
  });

  it.each(['out.partial', 'out.jsonl.partial'])(
    'of a run that was killed between row and index line (%s is behind)',
    async (name) => {
      await run('abcdefgh', { stopAfter: 6, resume: false });
      truncateSync(inFolder(name), statSync(inFolder(name)).size - 1);
      expect(await run('abcdefgh', { stopAfter: 1 })).toBe('f');
      expect(await run('abcdefgh')).toBe('gh');
      await expectLike('abcdefgh');
    },
  );

  it('are told apart when a run ended between the two renames', async () => {
    await run('abc', { resume: false });
    for (const name of ['out', 'out.jsonl']) cpSync(inFolder(name), inFolder(`old-${name}`));
    await run('xbc', { resume: false });
    // The new output has its name, its index has not.
    renameSync(inFolder('out.jsonl'), inFolder('out.jsonl.partial'));
    renameSync(inFolder('old-out.jsonl'), inFolder('out.jsonl'));
    expect(await run('xbc')).toBe('');
    await expectLike('xbc');
    // Rows of another run under an index that does not belong to them.
    cpSync(inFolder('old-out'), inFolder('out'));
    expect(await run('xbc')).toBe('x');
    await expectLike('xbc');
  });

  it('of foreign files are not taken for rows', async () => {
    writeFileSync(inFolder('out'), 'something else\n'.repeat(40));
    for (const name of ['out.jsonl', 'out.jsonl.partial']) {
      writeFileSync(inFolder(name), '{"row":0,"file":"a"}\n[]\nnull\n{"row":"1"}\n');
    }
    expect(await run('ab')).toBe('ab');
    await expectLike('ab');
  });
});

describe('B04: a run that is stopped', () => {
  const COUNT = 60;
  const OPTIONS = ['--model', 'tiny', '--threads', '1', '--output', 'out', '--index', 'rows.jsonl'];
  beforeEach(() => {
    const pictures = Array.from({ length: COUNT }, (_, i) => [`many/${String(i).padStart(3, '0')}.jpg`, photo]);
    folder = workFolder({
      ...Object.fromEntries(pictures),
      'tiny/config.json': golden('tiny-vit-hf/config.json'),
      'tiny/model.safetensors': golden('tiny-vit-hf/model.safetensors'),
      'tiny/preprocessor_config.json': golden('tiny-vit-hf/preprocessor_config.json'),
      out: 'an older output',
      'rows.jsonl': 'an older index',
    });
  });
  const embed = (...args: string[]) => edgeclip(['embed', 'many', ...OPTIONS, ...args], { cwd: folder.path });

  /** Stops a run once it has written some rows. Returns its exit code, the signal and standard error. */
  async function stop(signal: NodeJS.Signals, ...args: string[]) {
    const stderr: string[] = [];
    const options = { cwd: folder.path, imports: [SLOW_PICTURES] };
    const child = startEdgeclip(['embed', 'many', ...OPTIONS, ...args], options, stderr);
    const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.on('close', (code, by) => resolve([code, by]));
    });
    const rows = () => (existsSync(inFolder('rows.jsonl.partial')) ? jsonRows(read('rows.jsonl.partial')) : 0);
    const begun = rows();
    while (rows() < begun + 3 && child.exitCode === null) await sleep(2);
    child.kill(signal);
    const [code, by] = await ended;
    return { code, by, stderr: stderr.join('') };
  }
  const jsonRows = (bytes: Buffer) => bytes.toString().split('\n').length - 1;

  it.each(['npy', 'json'] as const)(
    'leaves the older output, and --resume gives the bytes of a whole run (%s)',
    async (f) => {
      const format = ['--format', f];
      const notes = /^stopped early: \d+ rows are kept in "out.partial"; the same command with --resume continues\n$/;
      for (const [i, signal] of (['SIGINT', 'SIGTERM', 'SIGKILL'] as const).entries()) {
        const stopped = await stop(signal, ...format, ...(i > 0 ? ['--resume'] : []));
        expect(stopped).toMatchObject({ code: null, by: signal });
        const said = stopped.stderr.replace(/^(?:resuming|nothing to resume): .*\n/, '');
        if (signal === 'SIGKILL') expect(said).toBe('');
        else expect(said).toMatch(notes);
        expect(read('out').toString()).toBe('an older output');
        expect(read('rows.jsonl').toString()).toBe('an older index');
        expect(partials().sort()).toEqual(['out.partial', 'rows.jsonl.partial']);
      }
      const { code, stderr } = await embed(...format, '--resume');
      const kept = Number(/^resuming: (\d+) of 60 rows are kept\n$/.exec(stderr)?.[1]);
      expect(kept).toBeGreaterThanOrEqual(9); // three of each run
      expect(kept).toBeLessThan(COUNT);
      expect(code).toBe(0);
      const [rows, index] = [read('out'), read('rows.jsonl')];
      await embed(...format);
      expect(rows).toEqual(read('out'));
      expect(index).toEqual(read('rows.jsonl'));
      if (f === 'npy') expect(readNpy(rows).shape).toEqual([COUNT, 96]);
      expect(partials()).toEqual([]);
    },
  );

  it('without an index leaves nothing else', async () => {
    const stderr: string[] = [];
    const args = ['embed', 'many', '--model', 'tiny', '--threads', '1', '--output', 'out'];
    const child = startEdgeclip(args, { cwd: folder.path, imports: [SLOW_PICTURES] }, stderr);
    const ended = new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)));
    const size = () => (existsSync(inFolder('out.partial')) ? statSync(inFolder('out.partial')).size : 0);
    await expect.poll(size).toBeGreaterThan(0);
    child.kill('SIGINT');
    expect(await ended).toBe('SIGINT');
    expect(stderr.join('')).toBe('stopped early: nothing was written; with --index a stopped run can be resumed\n');
    expect(read('out').toString()).toBe('an older output');
    expect(partials()).toEqual([]);
  });

  it('keeps the rows of unchanged files only, under the same model and options', async () => {
    await embed();
    const before = read('out');
    const index = jsonLines<Record<string, unknown>>(read('rows.jsonl').toString());
    expect(index[1]).toEqual({
      row: 1,
      file: join('many', '001.jpg'),
      size: photo.length,
      mtime: new Date(Math.floor(statSync(inFolder('many/001.jpg')).mtimeMs)).toISOString(),
      check: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    writeFileSync(inFolder('many/001.jpg'), golden('preprocess/inputs/photo_1.jpg'));
    rmSync(inFolder('many/002.jpg'));
    writeFileSync(inFolder('many/zzz.jpg'), 'not a picture');
    const changed = await embed('--resume');
    expect(changed.stderr).toMatch(/^resuming: 58 of 60 rows are kept\nerror: "many.zzz.jpg": /);
    expect(changed.code).toBe(1);
    const lines = jsonLines<{ file: string }>(read('out').toString());
    expect(lines).toHaveLength(COUNT - 1);
    expect(lines[0]).toEqual(jsonLines(before.toString())[0]);
    expect(lines[1]).not.toEqual(jsonLines(before.toString())[1]);
    for (const options of [['--no-normalize'], ['--orient'], ['--precision', 'f32']]) {
      expect((await embed('--resume', ...options)).stderr).toMatch(
        /^nothing to resume: another model, --precision, .*\n/,
      );
    }
    // A copy of the model computes the same.
    cpSync(inFolder('tiny'), inFolder('copy'), { recursive: true });
    expect((await embed('--resume', '--precision', 'f32', '--model', 'copy')).stderr).toMatch(/^resuming: 59 of 60/);
  });

  it('without a row to keep says why', async () => {
    const one = async (...args: string[]) => {
      const all = ['embed', 'many/000.jpg', ...OPTIONS, '--resume', ...args];
      return (await edgeclip(all, { cwd: folder.path })).stderr.replace('nothing to resume: ', '');
    };
    expect(await one()).toBe('"rows.jsonl" is not an index of edgeclip, or is damaged\n');
    expect(await one('--index', 'none.jsonl')).toBe('there is no index "none.jsonl" yet\n');
    expect(await one('--output', 'none')).toBe('there is no "none"\n');
    writeFileSync(inFolder('many/000.jpg'), photo);
    expect(await one()).toBe('the files have changed\n');
    renameSync(inFolder('many/000.jpg'), inFolder('many/a.jpg'));
    const renamed = await edgeclip(['embed', 'many/a.jpg', ...OPTIONS, '--resume'], { cwd: folder.path });
    expect(renamed.stderr).toBe('nothing to resume: the index has none of these inputs\n');
  });

  it.each([
    ['json', 'npy'],
    ['npy', 'json'],
  ])('with rows in %s refuses to resume in %s', async (old, other) => {
    const one = (...args: string[]) => edgeclip(['embed', 'many/000.jpg', ...OPTIONS, ...args], { cwd: folder.path });
    await one('--format', old);
    const before = read('out');
    const refused = await one('--format', other, '--resume');
    expect(refused.stderr).toMatch(
      `error: --resume: "out" has the format ${old}, not ${other}: add --format ${old}, or`,
    );
    expect(refused.code).toBe(2);
    expect(read('out')).toEqual(before);
    renameSync(inFolder('out'), inFolder('out.partial'));
    expect((await one('--format', other, '--resume')).stderr).toContain(`out.partial" has the format ${old}`);
    expect(read('out.partial')).toEqual(before);
  });

  it('needs output and index', async () => {
    const [output, index, device] = await Promise.all([
      edgeclip(['embed', 'many', '--index', 'x', '--resume'], { cwd: folder.path }),
      edgeclip(['embed', 'many', '--output', 'x', '--resume'], { cwd: folder.path }),
      edgeclip(['embed', 'many', '--output', '/dev/null', '--index', 'x', '--resume'], { cwd: folder.path }),
    ]);
    for (const { code, stderr } of [output, index]) {
      expect(stderr).toMatch(/^error: --resume needs --output and --index/);
      expect(code).toBe(2);
    }
    if (process.platform !== 'win32') expect(device.stderr).toMatch(/"\/dev\/null" is not a regular file/);
  });
});
