import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { photo } from '../api/pictures.ts';
import { edgeclip, projectPath, workFolder } from './command.ts';

let folder: ReturnType<typeof workFolder>;
beforeAll(() => {
  folder = workFolder({ 'a.jpg': photo, 'blank.txt': '\n \n', 'no-place.txt': 'a photo of {}\n\na photo\n' });
});
afterAll(() => folder.remove());

describe.concurrent('a command line that cannot be used exits with 2 and says why', () => {
  const wrong: readonly [name: string, args: string[], reason: RegExp][] = [
    ['no command', [], /Usage: edgeclip/],
    ['an unknown command', ['clasify'], /unknown command 'clasify'.*classify\?\)\nRun with --help for usage.\n$/s],
    ['help for an unknown command', ['help', 'embedd'], /^error: unknown command 'embedd'\n.*embed\?/],
    ['a picture without a command', ['a.jpg'], /unknown command 'a.jpg' \(did you mean: edgeclip classify a.jpg\)/],
    ['an unknown option', ['classify', 'a.jpg', '--labels', 'cat', '--lables', 'dog'], /unknown option '--lables'/],
    ['no picture', ['classify', '--labels', 'cat'], /missing required argument 'images'/],
    ['an empty picture argument', ['classify', '', '--labels', 'cat'], /image argument is empty/],
    ['standard input twice', ['classify', '-', '-', '--labels', 'cat'], /can be given only once/],
    ['no labels', ['classify', 'a.jpg'], /give labels: .*--classifier FILE/],
    ['empty labels', ['classify', 'a.jpg', '--labels', ''], /--labels is empty/],
    ['a blank label', ['classify', 'a.jpg', '--labels', 'cat,,dog'], /label 2 of 3 is blank/],
    [
      'labels and classes',
      ['classify', 'a.jpg', '-l', 'cat', '--classes', 'x'],
      /cannot be used with option '--classes/,
    ],
    ['classes that are not JSON', ['classify', 'a.jpg', '--classes', 'blank.txt'], /--classes "blank.txt": not JSON/],
    ['labels of both kinds', ['classify', 'a.jpg', '--labels', 'cat', '--labels-file', 'x'], /cannot be used with/],
    ['a labels file that is missing', ['classify', 'a.jpg', '--labels-file', 'x'], /"x": there is no such file/],
    ['a labels file of blank lines', ['classify', 'a.jpg', '--labels-file', 'blank.txt'], /"blank.txt" has no labels/],
    ['an unknown set', ['classify', 'a.jpg', '--labels', 'cat', '--templates', 'openai-8'], /"openai-8" .*openai-80/],
    [
      'R11: a template without {}',
      ['classify', 'a.jpg', '--labels', 'cat', '--templates', 'a photo'],
      /"a photo" is not a file.*needs \{\}/,
    ],
    [
      'R11: an empty template',
      ['classify', 'a.jpg', '--labels', 'cat', '--templates', ''],
      /--templates is empty \(an unset variable/,
    ],
    [
      'R11: one in a file',
      ['classify', 'a.jpg', '--labels', 'cat', '--templates', 'no-place.txt'],
      /"no-place.txt": line 3, "a photo", has no \{\}/,
    ],
    [
      'a --top of 0',
      ['classify', 'a.jpg', '--labels', 'cat', '--top', '0'],
      /--top must be a whole number of at least 1, got "0"\n/,
    ],
    ['a --top that is not a number', ['classify', 'a.jpg', '--labels', 'cat', '--top', '3x'], /got "3x"/],
    ['no thread', ['classify', 'a.jpg', '--labels', 'cat', '--threads', '0'], /auto or a whole number from 1 to 64/],
    [
      'too many threads',
      ['embed', 'a.jpg', '--threads', '65'],
      /--threads must be auto or a whole number from 1 to 64, got "65"\n/,
    ],
    ['an unknown precision', ['info', '--precision', 'fp16'], /Allowed choices are int8, f32/],
    ['an empty model', ['info', '--model', ''], /--model is empty/],
    ['nothing to embed', ['embed'], /nothing to embed/],
    ['an empty text', ['embed', '--text', 'cat', '--text', ''], /--text is empty \(an unset variable/],
    ['an empty file name', ['embed', '--text-file', ''], /--text-file is empty \(an unset variable/],
    ['a list of no names', ['embed', '--files-from', 'blank.txt'], /--files-from "blank.txt" has no names/],
    ['a list that is missing', ['embed', '--files-from', 'x'], /--files-from: cannot read "x": there is no such file/],
    [
      'a --max-pixels of 1e6',
      ['embed', 'a.jpg', '--max-pixels', '1e6'],
      /--max-pixels must be a whole number of at least 1, got "1e6"\n/,
    ],
    ['an unknown format', ['embed', 'a.jpg', '--format', 'npz'], /Allowed choices are json, npy/],
    ['two formats', ['embed', 'a.jpg', '--json', '--format', 'npy'], /cannot be used with/],
    ['one file for rows and index', ['embed', 'a.jpg', '--output', 'x', '--index', './x'], /the same file, "x"/],
  ];
  it.each(wrong)('%s', async (_, args, reason) => {
    const { code, stdout, stderr } = await edgeclip(args, { cwd: folder.path });
    expect(stderr).toMatch(reason);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

describe.concurrent('what is asked for exits with 0, on standard output', () => {
  it('help: only --labels splits at commas, and how rows are told apart', async () => {
    const [all, classify, embed] = await Promise.all([
      edgeclip(['--help']),
      edgeclip(['classify', '--help']),
      edgeclip(['embed', '--help']),
    ]);
    expect(all).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/classify.*embed.*info.*Examples:\n {2}\$ edgeclip classify/s),
    });
    expect(classify).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/no\s+other option splits/) });
    expect(embed).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/--index FILE\s+records\s+which/),
    });
  });

  it('help for a command', async () => {
    const outcomes = await Promise.all(
      [['help', 'info'], ['info', '--help'], ['help'], ['--help']].map((args) => edgeclip(args)),
    );
    expect(outcomes.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(4).fill({ code: 0, stderr: '' }));
    const [info, option, all, allOption] = outcomes.map(({ stdout }) => stdout);
    expect(info).toMatch(/^Usage: edgeclip info/);
    expect([info, all]).toEqual([option, allOption]);
  });

  it('the version', async () => {
    const { version } = JSON.parse(readFileSync(join(projectPath, 'package.json'), 'utf8'));
    const outcomes = await Promise.all(['--version', '-V', '-v'].map((option) => edgeclip([option])));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('info, with the threads that were asked for', async () => {
    const [sheet, json] = await Promise.all([
      edgeclip(['info', '--threads', '1']),
      edgeclip(['info', '--threads', '2', '--json']),
    ]);
    expect(sheet).toMatchObject({ code: 0, stdout: expect.stringMatching(/^threads +1$/m), stderr: '' });
    const info = JSON.parse(json.stdout);
    expect(info).toMatchObject({ precision: 'int8', embedDim: 384, threads: { count: 2 }, towers: ['image', 'text'] });
    expect(info.memory.total).toBeGreaterThan(12e6);
  });
});
