import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadClip } from '../../src/index.ts';
import { edgeclip, projectPath, workFolder } from '../cli/command.ts';

const work = workFolder({});
const WORDS = ['cat', 'cup of coffee', 'rocket', 'grass', 'galaxy', 'pizza'];
const FILES = { cat: 'cat.png', cup_of_coffee: 'coffee.png', rocket: 'rocket.jpg', grass: 'grass.png' };
const run = (...args: string[]) => edgeclip(args, { cwd: work.path });
const rows = (stdout: string) => stdout.trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one step
const golden = (name: string) => join(projectPath, 'test/golden/photos', name);

beforeAll(() => {
  for (const [folder, name] of Object.entries(FILES)) {
    mkdirSync(join(work.path, 'set', folder), { recursive: true });
    copyFileSync(golden(name), join(work.path, 'set', folder, name));
  }
  writeFileSync(join(work.path, 'words.txt'), `${WORDS.join('\n')}\ncat\n`);
});
afterAll(() => work.remove());

it('gives photos the words of a classifier whose cosine reaches the threshold', async () => {
  const { code, stdout, stderr } = await run('tag', 'set', '-r', '--vocabulary', 'words.txt', '--top', '3', '--threshold', '0.1'); // biome-ignore format: one line
  expect([code, stderr]).toEqual([0, '']);
  using clip = await loadClip();
  const classifier = await clip.classifier(WORDS);
  const found = rows(stdout);
  expect(found.map(({ file }) => file)).toEqual(['set/cat/cat.png', 'set/cup_of_coffee/coffee.png', 'set/grass/grass.png', 'set/rocket/rocket.jpg']); // biome-ignore format: one line
  for (const { file, tags } of found) {
    const ranked = await classifier.classify(readFileSync(join(work.path, file)), { topK: 3 });
    const right = ranked.filter(({ similarity }) => similarity >= 0.1);
    expect(tags.map(({ tag }: { tag: string }) => tag)).toEqual(right.map(({ label }) => label));
    for (const [i, { similarity }] of tags.entries()) expect(similarity).toBeCloseTo(right[i]!.similarity, 8);
  }
  expect(found[0].tags.length).toBeLessThan(3);
});

it('takes the threshold that eval measured, for its own model and words', async () => {
  const calibration = await run('eval', 'set', '--vocabulary', 'words.txt', '--target-precision', '1', '--json');
  const { task, tagging } = JSON.parse(calibration.stdout);
  expect([task, tagging.target, tagging.all.precision]).toEqual(['tagging', 1, 1]);
  expect(tagging.all.recall).toBeGreaterThan(0);
  writeFileSync(join(work.path, 'calibration.json'), calibration.stdout);
  const tag = (...args: string[]) => run('tag', 'set', '-r', '--vocabulary', 'words.txt', ...args);
  const one = await tag('--calibration', 'calibration.json');
  expect([one.code, one.stderr]).toEqual([0, '']);
  expect(one.stdout).toBe((await tag('--threshold', String(tagging.all.threshold))).stdout);

  // What tag printed, corrected, measures again.
  writeFileSync(join(work.path, 'tags.jsonl'), one.stdout);
  const again = await run('eval', 'set', '--vocabulary', 'words.txt', '--tags', 'tags.jsonl', '--json');
  expect(JSON.parse(again.stdout).tagging.all).toMatchObject({ precision: 1, recall: 1 });
  const text = await run('eval', 'set', '--vocabulary', 'words.txt');
  expect(text.stdout).toMatch(/^threshold +0\.\d+: precision \d+\.\d\d %, recall \d+\.\d\d %$/m);
  expect(text.stdout).toMatch(/^ {2}0\.20 +\d+\.\d\d % +\d+\.\d\d % +\d\.\d\d$/m);

  const other = await tag('--calibration', 'calibration.json', '--templates', 'openai-7');
  expect(other.stderr).toBe('note: "calibration.json" was measured with other words or templates\n');
  writeFileSync(join(work.path, 'other.json'), calibration.stdout.replace(tagging.model, '00000000'));
  expect(await tag('--calibration', 'other.json')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/of another model: 00000000/),
  });
});

it('ends with 1 if a sidecar is there', async () => {
  const args = ['tag', 'set/cat/cat.png', '--vocabulary', 'words.txt', '--xmp'];
  expect((await run(...args)).code).toBe(0);
  const again = await run(...args);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('it is there: --merge adds words to it')]);
  rmSync(join(work.path, 'set/cat/cat.png.xmp'));
});

it('writes sidecars, from the vectors of an index, too', async () => {
  await run('index', 'set', '--to', 'p.db');
  const sidecar = join(work.path, 'set/cat/cat.png.xmp');
  const args = ['tag', '--in', 'p.db', '--vocabulary', 'words.txt', '--xmp'];
  const first = await run(...args);
  expect([first.code, first.stderr]).toEqual([0, '']);
  expect(rows(first.stdout)[0]).toEqual({
    file: join(work.path, 'set/cat/cat.png'),
    tags: [{ tag: 'cat', similarity: expect.closeTo(0.328, 2) }],
    sidecar,
  });
  expect(readFileSync(sidecar, 'utf8')).toContain('<rdf:li>cat</rdf:li>');
  const again = await run(...args);
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringContaining('it is there: --merge adds words to it [IO]'),
  ]);
  expect(rows(again.stdout)).toHaveLength(4); // the words are printed all the same
  expect((await run(...args, '--merge', '--threshold', '0')).code).toBe(0);
  expect(readFileSync(sidecar, 'utf8').match(/<rdf:li>/g)!.length).toBeGreaterThan(1);

  // What tag --in printed, with absolute names, measures too; so do names as another spelling of the folder gives them.
  const { stdout } = await run('tag', '--in', 'p.db', '--vocabulary', 'words.txt');
  for (const lines of [stdout, stdout.replaceAll(join(work.path, 'set'), './set')]) {
    writeFileSync(join(work.path, 'printed.jsonl'), lines);
    const { code, stdout: report } = await run('eval', 'set', '--vocabulary', 'words.txt', '--tags', 'printed.jsonl', '--json'); // biome-ignore format: one line
    expect([code, JSON.parse(report).pictures]).toEqual([0, 4]);
  }
});

it('gives no sidecar to a photo whose file is gone', async () => {
  copyFileSync(golden('cat.png'), join(work.path, 'gone.png'));
  await run('index', 'gone.png', '--to', 'gone.db');
  rmSync(join(work.path, 'gone.png'));
  const { code, stdout, stderr } = await run('tag', '--in', 'gone.db', '--vocabulary', 'words.txt', '--xmp');
  expect([code, rows(stdout)[0].tags[0].tag]).toEqual([1, 'cat']);
  expect(stderr).toMatch(/gone\.png\.xmp": its photo is gone \[IO\]/);
  expect(existsSync(join(work.path, 'gone.png.xmp'))).toBe(false);
});

it('refuses what cannot be', async () => {
  const words = ['--vocabulary', 'words.txt'];
  const messages: [string[], RegExp][] = [
    [['tag', 'set'], /required option '--vocabulary <file>'/],
    [['tag', ...words], /missing required argument 'images'/],
    [['tag', 'set', '--in', 'p.db', ...words], /leave out the images/],
    [['tag', '--in', 'p.db', '--orient', ...words], /--orient is for images, which --in does not read/],
    [['tag', '--in', 'p.db', '-r', ...words], /--recursive is for images/],
    [['tag', '--in', 'p.db', '--image-size', '128', ...words], /--image-size is for images/],
    [['tag', 'set', '--merge', ...words], /--merge is for --xmp/],
    [['tag', 'set', '--threshold', '2', ...words], /--threshold must be a number from -1 to 1/],
    [['tag', 'set', '--calibration', 'words.txt', ...words], /is not JSON/],
    [['tag', '-', '--xmp', ...words], /no place for a sidecar/],
    [['eval', 'set', '--tags', 'tags.jsonl'], /--tags is for --vocabulary/],
    [['eval', 'set', '--vocabulary', 'words.txt', '--target-precision', '0'], /--target-precision must be/],
  ];
  for (const [args, message] of messages) {
    const outcome = await run(...args);
    expect([args, outcome.code, outcome.stderr]).toEqual([args, 2, expect.stringMatching(message)]);
  }
});
