import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { photo } from '../api/pictures.ts';
import { edgeclip, jsonLines, projectPath, workFolder } from './command.ts';

interface Line {
  file: string;
  labels: { label: string; index: number; score: number; similarity: number }[];
}

const LABELS = 'cat, dog, horse, cup of coffee, rocket, person';
const AWKWARD = ['sunglasses, dark glasses, shades', 'baluster / handrail', 'kite (bird of prey)', '$& {} {label}'];

let folder: ReturnType<typeof workFolder>;
beforeAll(() => {
  folder = workFolder({
    'a.jpg': photo,
    'labels.txt': `\ufeff${AWKWARD.join('\r\n')}\r\n\n`,
    'templates.txt': 'a photo of a {}.\nart of the {label}\n\n',
    'photos/b.JPG': photo,
    'photos/a.jpg': photo,
    'photos/.hidden.jpg': 'not a picture',
    'photos/notes.txt': 'not a picture',
    'photos/deeper/c.jpg': photo,
    'empty/notes.txt': 'not a picture',
  });
});
afterAll(() => folder.remove());

describe('classify', () => {
  it('ranks the labels of the first command in the README', async () => {
    const { code, stdout, stderr } = await edgeclip(['classify', 'examples/cat.png', '--labels', LABELS], {
      cwd: projectPath,
    });
    expect(stderr).toBe('');
    const [title, head, first, ...others] = stdout.trimEnd().split('\n');
    expect(title).toBe('examples/cat.png');
    expect(head).toMatch(/^ {2}label +score +similarity$/);
    expect(first).toMatch(/^ {2}cat +9\d\.\d\d % +0\.\d{4}$/);
    expect(others).toHaveLength(5); // --top is 5, and the last line says so
    expect(code).toBe(0);
  });

  it('finds the right label for each example photo, one JSON object per line', async () => {
    const right: Record<string, string> = {
      'cat.png': 'cat',
      'coffee.png': 'cup of coffee',
      'galaxies.jpg': 'galaxy',
      'grass.png': 'grass',
      'photographer.png': 'photographer',
      'rocket.jpg': 'rocket',
    };
    const args = ['classify', 'examples', '--labels-file', 'examples/labels.txt', '--json'];
    const { code, stdout, stderr } = await edgeclip(args, { cwd: projectPath });
    const lines = jsonLines<Line>(stdout);
    expect(lines.map(({ file }) => file.replace(/^examples./, ''))).toEqual(Object.keys(right)); // sorted
    for (const { file, labels } of lines) {
      expect(labels[0]!.label, file).toBe(right[file.slice('examples/'.length)]);
      expect(labels).toHaveLength(30);
      expect(Object.keys(labels[0]!)).toEqual(['label', 'index', 'score', 'similarity']);
      expect(labels.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
      expect(new Set(labels.map(({ index }) => index)).size).toBe(30);
    }
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('reads standard input, with the same result as the file and with any number of threads', async () => {
    const args = ['--labels', LABELS, '--json'];
    const [file, input] = await Promise.all([
      edgeclip(['classify', 'a.jpg', ...args, '--threads', '1'], { cwd: folder.path }),
      edgeclip(['classify', '-', ...args, '--threads', '3'], { input: photo }),
    ]);
    const [a] = jsonLines<Line>(file.stdout);
    const [b] = jsonLines<Line>(input.stdout);
    expect(b).toEqual({ file: '-', labels: a!.labels });
    expect(input.code).toBe(0);
  });

  it('says so when standard input holds nothing', async () => {
    const { code, stdout, stderr } = await edgeclip(['classify', '-', '--labels', LABELS]);
    expect(stderr).toMatch(/^error: standard input: .*empty \(0 bytes\)/);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it('R25: keeps the labels of a file word for word, in table and JSON', async () => {
    const args = ['classify', 'a.jpg', '--labels-file', 'labels.txt', '--templates', 'openai-7'];
    const [table, json] = await Promise.all([
      edgeclip(args, { cwd: folder.path }),
      edgeclip([...args, '--json'], { cwd: folder.path }),
    ]);
    const [{ labels }] = jsonLines<Line>(json.stdout) as [Line];
    expect(labels.toSorted((a, b) => a.index - b.index).map(({ label }) => label)).toEqual(AWKWARD);
    for (const label of AWKWARD) expect(table.stdout).toContain(`  ${label}  `);
    expect(table.code).toBe(0);
  });

  it('R25: splits only --labels, at commas, without the blanks around', async () => {
    const args = ['classify', 'a.jpg', '--labels', ' cat ,cup of coffee', '--labels', 'dog', '--json'];
    const [{ labels }] = jsonLines<Line>((await edgeclip(args, { cwd: folder.path })).stdout) as [Line];
    expect(labels.map(({ label }) => label).sort()).toEqual(['cat', 'cup of coffee', 'dog']);
  });

  it('R11: takes a file of templates whose last line is blank as the templates in it', async () => {
    const args = ['classify', 'a.jpg', '--labels', LABELS, '--json', '--templates'];
    const [file, given] = await Promise.all([
      edgeclip([...args, 'templates.txt'], { cwd: folder.path }),
      edgeclip([...args, 'a photo of a {}.', '--templates', 'art of the {label}'], { cwd: folder.path }),
    ]);
    expect(file.code).toBe(0);
    expect(file.stdout).toBe(given.stdout);
  });

  it('takes the pictures of a folder, not those hidden or below', async () => {
    const args = ['classify', 'photos', 'empty', '--labels', LABELS, '--json'];
    const { code, stdout, stderr } = await edgeclip(args, { cwd: folder.path });
    const files = jsonLines<Line>(stdout).map(({ file }) => file.replaceAll('\\', '/'));
    expect(files).toEqual(['photos/a.jpg', 'photos/b.JPG']);
    expect(stderr).toBe('error: "empty": the folder has no .jpg, .jpeg, .png or .webp file (1 file: 1 .txt) [IO]\n');
    expect(code).toBe(1);
  });
});
