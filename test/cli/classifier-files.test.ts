import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../src/classifier.ts';
import { golden, photo } from '../api/pictures.ts';
import { edgeclip, jsonLines, shell, workFolder } from './command.ts';

const LABELS = ['--labels', 'cat, dog, rocket'];

let folder: ReturnType<typeof workFolder>;
beforeAll(async () => {
  folder = workFolder({
    'a.png': photo,
    'labels.txt': 'cat\ndog\n',
    'classes.json': JSON.stringify({ cat: ['a photo of a cat'], dog: ['a dog'] }),
    'tiny/config.json': golden('tiny-vit-hf/config.json'),
    'tiny/model.safetensors': golden('tiny-vit-hf/model.safetensors'),
    'tiny/preprocessor_config.json': golden('tiny-vit-hf/preprocessor_config.json'),
  });
  expect(await run(...LABELS, '--save-classifier', 'saved.bin')).toMatchObject({ code: 0, stdout: '', stderr: '' });
});
afterAll(() => folder.remove());
const run = (...args: string[]) => edgeclip(['classify', ...args], { cwd: folder.path });
const read = (name: string) => readFileSync(join(folder.path, name));
const left = () => readdirSync(folder.path).filter((name) => name.includes('.partial'));

describe('a classifier file of the command line', () => {
  it('ranks as its labels do', async () => {
    expect(Classifier.fromBytes(read('saved.bin')).labels).toEqual(['cat', 'dog', 'rocket']);
    const [labels, saved] = await Promise.all([
      run('a.png', ...LABELS, '--json'),
      run('a.png', '--classifier', 'saved.bin', '--json'),
    ]);
    expect(saved).toEqual(labels);
    expect(jsonLines<{ labels: { label: string }[] }>(saved.stdout)[0]!.labels[0]!.label).toBe('rocket');
  });

  it('is written beside a ranking, with templates and prompts, and read from standard input', async () => {
    const made = await run('a.png', '--labels-file', 'labels.txt', '--templates', 'openai-7', '--save-classifier', 'b.bin'); // biome-ignore format: one line
    expect(made.stdout).toMatch(/cat +\d/);
    const again = await edgeclip(['classify', 'a.png', '--classifier', '-'], {
      cwd: folder.path,
      input: read('b.bin'),
    });
    expect(again).toEqual(made);
    await run('--classes', 'classes.json', '--save-classifier', 'c.bin');
    expect(Classifier.fromBytes(read('c.bin')).labels).toEqual(['cat', 'dog']);
    expect(read('c.bin')).not.toEqual(read('b.bin'));
    expect(left()).toEqual([]);
  });

  it('has the same bytes each time, in a file and in a pipe, and replaces an older file', async () => {
    writeFileSync(join(folder.path, 'older.bin'), 'older');
    await run(...LABELS, '--save-classifier', 'older.bin', '--threads', '2');
    expect(read('older.bin')).toEqual(read('saved.bin'));
    const piped = await shell('$edgeclip classify -l "cat, dog, rocket" --save-classifier /dev/stdout | cat', { cwd: folder.path }); // biome-ignore format: one line
    expect(piped.bytes).toEqual(read('saved.bin'));
  });

  it('of another model is refused, with the names of both', async () => {
    const { code, stdout, stderr } = await run('a.png', '--classifier', 'saved.bin', '--model', 'tiny');
    expect(stderr).toMatch(/^error: "saved.bin": .*"edgeclip default model".*"tiny".* \[CLASSIFIER_FORMAT\]\n$/);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it.each<[string, string[], RegExp, number]>([
    ['that is none', ['a.png', '--classifier', 'a.png'], /"a.png": .*\[CLASSIFIER_FORMAT\]/, 1],
    ['that is not there', ['a.png', '--classifier', 'no.bin'], /--classifier: cannot read "no.bin"/, 2],
    ['without a name', ['a.png', '--classifier', ''], /--classifier is empty/, 2],
    ['with labels', ['a.png', '--classifier', 'saved.bin', ...LABELS], /cannot be used with/, 2],
    ['with templates', ['a.png', '--classifier', 'saved.bin', '--templates', 'openai-7'], /cannot be used with/, 2],
    ['to be written from one', ['--classifier', 'saved.bin', '--save-classifier', 'd.bin'], /cannot be used with/, 2],
    ['without pictures', ['--classifier', 'saved.bin'], /missing required argument 'images'/, 2],
    ['without labels', ['--save-classifier', 'd.bin'], /give labels/, 2],
    ['to be written without a name', [...LABELS, '--save-classifier', ''], /--save-classifier is empty/, 2],
    ['in a folder that is not there', [...LABELS, '--save-classifier', 'no/d.bin'], /no such folder.*\[IO\]/, 1],
    [
      'in place of a picture',
      ['a.png', ...LABELS, '--save-classifier', './a.png'],
      /same file as the image "a.png"/,
      2,
    ],
    ['in place of its labels', ['--labels-file', 'labels.txt', '--save-classifier', 'labels.txt'], /same file/, 2],
    ['in place of the weights', [...LABELS, '--model', 'tiny', '--save-classifier', 'tiny/model.safetensors'], /same file as the model's/, 2], // biome-ignore format: one line
    ['among the weights', [...LABELS, '--model', 'tiny', '--save-classifier', 'tiny/d.bin'], /would be a file of the model/, 2], // biome-ignore format: one line
  ])('%s is an error', async (_, args, message, expected) => {
    const before = read('a.png');
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(read('a.png')).toEqual(before);
    expect([existsSync(join(folder.path, 'd.bin')), ...left()]).toEqual([false]);
  });

  it("does not replace another's temporary file, but one of its own that was left", async () => {
    const partial = join(folder.path, 'e.bin.partial');
    writeFileSync(partial, 'my notes');
    const refused = await run(...LABELS, '--save-classifier', 'e.bin');
    expect(refused.stderr).toMatch(/is not from an earlier run of edgeclip/);
    expect(readFileSync(partial, 'utf8')).toBe('my notes');
    writeFileSync(partial, read('saved.bin').subarray(0, 1000));
    expect(await run(...LABELS, '--save-classifier', 'e.bin')).toMatchObject({ code: 0 });
    expect(read('e.bin')).toEqual(read('saved.bin'));
  });
});
