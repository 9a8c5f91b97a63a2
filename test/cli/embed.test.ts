import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { golden, photo, pngHeader } from '../api/pictures.ts';
import { edgeclip, jsonLines, workFolder } from './command.ts';
import { readNpy } from './npy.ts';

interface Line {
  file?: string;
  text?: string;
  embedding: number[];
}

let folder: ReturnType<typeof workFolder>;
beforeAll(() => {
  folder = workFolder({
    'a.jpg': photo,
    'bad.jpg': 'ten bytes.',
    'huge.png': pngHeader(30_000, 30_000),
    'c.jpg': golden('preprocess/inputs/photo_1.jpg'),
    'half.jpg': photo.subarray(0, photo.length >> 1),
    'most.jpg': photo.subarray(0, Math.floor(photo.length * 0.9)),
    'nearly.jpg': photo.subarray(0, -2),
    'texts.txt': 'a photo of a cat\n\na red bicycle, leaning\n',
    'tiny/config.json': golden('tiny-vit-hf/config.json'),
    'tiny/model.safetensors': golden('tiny-vit-hf/model.safetensors'),
    'tiny/preprocessor_config.json': golden('tiny-vit-hf/preprocessor_config.json'),
  });
});
afterAll(() => folder.remove());

const embed = (...args: string[]) => edgeclip(['embed', ...args], { cwd: folder.path });
const inFolder = (name: string) => readFileSync(join(folder.path, name));
const asFloat32 = ({ embedding }: Line) => Float32Array.from(embedding);
const BATCH = ['a.jpg', 'bad.jpg', 'huge.png', 'c.jpg'];

function expectBothBadOnes(stderr: string): void {
  const lines = stderr.trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^error: "bad.jpg": .*not a JPEG, PNG or WebP.*\[IMAGE_FORMAT\]$/);
  expect(lines[1]).toMatch(/^error: "huge.png": .*30000 x 30000.*\[IMAGE_TOO_LARGE\]$/);
}

describe('R15: bad pictures in a batch', () => {
  it('leave every other vector its name, and its bits, in JSON', async () => {
    const [batch, a, c] = await Promise.all([embed(...BATCH, '--json'), embed('a.jpg'), embed('c.jpg')]);
    expect(batch.code).toBe(1);
    expectBothBadOnes(batch.stderr);
    expect(batch.stdout).toBe(a.stdout + c.stdout);
    expect(jsonLines<Line>(batch.stdout).map(({ file }) => file)).toEqual(['a.jpg', 'c.jpg']);
  });

  it('leave every other vector its row in an index, and its bits, in npy', async () => {
    const [batch, a, c] = await Promise.all([
      embed(...BATCH, '--format', 'npy', '--index', 'rows.jsonl'),
      embed('a.jpg', '--format', 'npy'),
      embed('c.jpg', '--format', 'npy', '--output', 'c.npy'),
    ]);
    expect(batch.code).toBe(1);
    expectBothBadOnes(batch.stderr);
    const { shape, rows } = readNpy(batch.bytes);
    expect(shape).toEqual([2, 384]);
    expect(rows).toEqual([readNpy(a.bytes).rows[0], readNpy(inFolder('c.npy')).rows[0]]);
    expect(jsonLines(inFolder('rows.jsonl').toString())).toMatchObject([
      { row: 0, file: 'a.jpg' },
      { row: 1, file: 'c.jpg' },
    ]);
    expect(c).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('give an array of no rows if all are bad', async () => {
    const { code, bytes } = await embed('bad.jpg', '--format', 'npy');
    expect(readNpy(bytes).shape).toEqual([0, 384]);
    expect(code).toBe(1);
  });
});

describe('R09: truncated JPEGs between two good ones', () => {
  it('are reported as truncated, and the good ones are done', async () => {
    const { code, stdout, stderr } = await embed('a.jpg', 'half.jpg', 'most.jpg', 'nearly.jpg', 'c.jpg');
    expect(jsonLines<Line>(stdout).map(({ file }) => file)).toEqual(['a.jpg', 'c.jpg']);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    for (const [i, name] of ['half.jpg', 'most.jpg', 'nearly.jpg'].entries()) {
      expect(lines[i]).toMatch(/^error: ".*": truncated JPEG.*\[IMAGE_TRUNCATED\]$/);
      expect(lines[i]).toContain(`"${name}"`);
    }
    expect(code).toBe(1);
  });
});

describe('embed', () => {
  const everything = ['c.jpg', '--text', 'a dog', '--text-file', 'texts.txt', 'a.jpg'];
  const texts = ['a dog', 'a photo of a cat', 'a red bicycle, leaning'];

  it('gives pictures, then texts, the same bits in JSON and npy', async () => {
    const [json, npy] = await Promise.all([
      embed(...everything),
      embed(...everything, '--format', 'npy', '--index', 'all.jsonl'),
    ]);
    const lines = jsonLines<Line>(json.stdout);
    const whose = [{ file: 'c.jpg' }, { file: 'a.jpg' }, ...texts.map((text) => ({ text }))];
    expect(lines.map(({ embedding, ...row }) => row)).toEqual(whose);
    expect(jsonLines(inFolder('all.jsonl').toString())).toMatchObject(whose.map((of, row) => ({ row, ...of })));
    expect(readNpy(npy.bytes).rows).toEqual(lines.map(asFloat32));
    for (const line of lines) expect(Math.hypot(...asFloat32(line))).toBeCloseTo(1, 6);
    expect({ json: json.code, npy: npy.code }).toEqual({ json: 0, npy: 0 });
  });

  it('leaves the vectors their length if told so', async () => {
    const { stdout } = await embed('--text', 'a dog', '--no-normalize');
    expect(Math.abs(Math.hypot(...asFloat32(jsonLines<Line>(stdout)[0]!)) - 1)).toBeGreaterThan(0.01);
  });

  it('reads a picture from standard input, and takes a model without a tokenizer for it', async () => {
    const args = ['embed', '-', '--model', 'tiny'];
    const { code, stdout } = await edgeclip(args, { cwd: folder.path, input: photo });
    const [line] = jsonLines<Line>(stdout);
    expect(line!.file).toBe('-');
    expect(line!.embedding).toHaveLength(96);
    expect(code).toBe(0);
  });

  it('exits with 1 before any work for a model without a tokenizer, and for a file it cannot write', async () => {
    const [text, place] = await Promise.all([
      embed('a.jpg', '--text', 'a dog', '--model', 'tiny'),
      embed('a.jpg', '--output', 'nowhere/x.npy'),
    ]);
    expect(text).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `error: "tiny" has no tokenizer.json, nor vocab.json with merges.txt: give the model's own by --tokenizer FILE [TOKENIZER]\n`,
    });
    expect(place).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/"nowhere\/x.npy": .*folder/),
    });
  });
});
