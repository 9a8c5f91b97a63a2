/** `edgeclip eval` on the photos, as users start it. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/eval/report.ts';
import { loadClip } from '../../src/load.ts';
import { goldenPath } from '../model/golden.ts';
import { edgeclip, startEdgeclip } from './command.ts';
import { SLOW_PICTURES } from './slow-pictures.ts';

const COMMA = 'sunglasses, dark glasses, shades'; // R25
/** Class folders and their photos; the last two are wrong on purpose. */
const FILES: Record<string, string> = {
  'cat/1.png': 'cat.png',
  'cup_of_coffee/1.png': 'coffee.png',
  'cup_of_coffee/deeper/2.png': 'coffee.png',
  'rocket/1.jpg': 'rocket.jpg',
  'photographer/1.png': 'photographer.png',
  '<b>&/1.png': 'brick-wall.png',
  [`${COMMA}/1.png`]: 'coins.png',
};

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'edgeclip eval '));
  for (const [path, photo] of Object.entries(FILES)) {
    mkdirSync(join(work, 'set', dirname(path)), { recursive: true });
    cpSync(goldenPath(`photos/${photo}`), join(work, 'set', path));
  }
  for (const name of ['cat', 'ship']) cpSync(join(work, 'set/cat'), join(work, 'pets', name), { recursive: true });
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const run = (...args: string[]) => edgeclip(['eval', ...args, '--threads', '1'], { cwd: work });
const report = async (...args: string[]): Promise<Report> => JSON.parse((await run(...args, '--json')).stdout);
/** What several tests look at is computed by the first that asks. */
const once = <T>(make: () => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
};
const plain = once(() => report('set'));
const compared = once(() => report('set', '--compare', 'f32', '--html', 'report.html'));

describe('zero-shot', () => {
  it('counts what a classifier of the folder names answers, comma and all', async () => {
    const found = await plain();
    const labels = ['<b>&', 'cat', 'cup_of_coffee', 'photographer', 'rocket', COMMA];
    using clip = await loadClip();
    const entries = labels.map((label) => ({ label, prompts: [`a photo of a ${label.replaceAll('_', ' ')}.`] }));
    const classifier = await clip.classifier(entries);
    let right = 0;
    for (const [path, photo] of Object.entries(FILES)) {
      const [best] = await classifier.classify(readFileSync(goldenPath(`photos/${photo}`)));
      const own = path.split('/')[0]!;
      if (best!.label === own) right++;
      else
        expect(found.classification!.worst).toContainEqual(
          expect.objectContaining({ label: own, predicted: best!.label, score: best!.score }),
        );
    }
    expect(found).toMatchObject({ task: 'zero-shot', pictures: 7, failed: [], imageSize: 224, precision: 'int8' });
    expect(found.classification!.top1).toBeCloseTo(right / 7, 12);
    expect(found.classification!.classes.map(({ label }) => label)).toEqual(labels);
    expect(right).toBeGreaterThan(3);
  });

  it('says where a table is for people, and reports pictures that cannot be read', async () => {
    writeFileSync(join(work, 'set/cat/bad.jpg'), 'not a picture');
    const { code, stdout, stderr } = await run('set', '--templates', 'openai-7');
    rmSync(join(work, 'set/cat/bad.jpg'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: "set\/cat\/bad\.jpg": .*\[IMAGE_FORMAT\]\n$/);
    expect(stdout).toMatch(/^pictures +7, and 1 that could not be read$/m);
    expect(stdout).toMatch(/^templates +7$/m);
    expect(stdout).toMatch(/^top-1 +\d+\.\d\d %$/m);
    expect(stdout).toContain(COMMA);
  });

  it('takes --image-size, --scaled and --orient, and says so', async () => {
    for (let i = 0; i < 2; i++) cpSync('test/golden/photos/retina.jpg', join(work, 'large', `${i}`, 'photo.jpg'));
    const ways = [[], ['--scaled'], ['--scaled', '--orient'], ['--image-size', '160']];
    const keep = ['--keep', 'large-kept'];
    const found: Report[] = [];
    for (const way of ways) found.push(await report('large', ...keep, ...way));
    expect(found.map(({ imageSize }) => imageSize)).toEqual([224, 224, 224, 160]);
    const own = { classes: 2, templates: 1 };
    expect(found.map(({ settings }) => settings)).toEqual([own, { ...own, scaled: true }, { ...own, scaled: true, orient: true }, own]); // biome-ignore format: one line
    const kept = readdirSync(join(work, 'large-kept')).map((name) =>
      readFileSync(join(work, 'large-kept', name), 'utf8'),
    );
    const vectors = kept.map((text) => JSON.parse(text.split('\n')[1]!).vector);
    expect(kept).toHaveLength(4); // none took those of another
    expect(new Set(vectors).size).toBe(3); // the photo has no orientation
  });

  it('names the folders that hold no picture, and so are not classes', async () => {
    for (const name of ['dog', 'bird']) mkdirSync(join(work, 'some', name), { recursive: true });
    cpSync(join(work, 'set/cat'), join(work, 'some/cat'), { recursive: true });
    const { code, stdout, stderr } = await run('some');
    expect([code, stderr]).toEqual([0, 'note: folders without pictures are not classes: "bird", "dog"\n']);
    expect(stdout).toMatch(/^classes +1$/m);
  });

  it('takes prompts of classes, labels of folders, and datasets by name', async () => {
    const prompts = Object.fromEntries(Object.keys(FILES).map((path) => [path.split('/')[0]!, ['a cat']]));
    writeFileSync(join(work, 'classes.json'), JSON.stringify(prompts));
    const equal = await report('set', '--classes', 'classes.json'); // all vectors are the same: the first class wins
    expect(equal.classification!.confusion.every(({ predictedIndex }) => predictedIndex === 0)).toBe(true);
    writeFileSync(join(work, 'labels.txt'), 'brick wall\ncat\ncup of coffee\nman with a camera\nrocket\ncoins\n');
    const labels = await report('set', '--labels-file', 'labels.txt');
    expect(labels.classification!.classes.map(({ label }) => label)).toContain('man with a camera');
    expect(labels.classification!.top1).toBeGreaterThan(0.8);
    const cifar = await report('pets', '--dataset', 'CIFAR-10');
    expect(cifar.settings).toEqual({ dataset: 'CIFAR10', classes: 10, templates: 18 });
    expect(cifar.classification).toMatchObject({ top1: 0.5, worst: [{ label: 'ship', predicted: 'cat' }] });
    const stranger = await run('set', '--dataset', 'cifar10');
    expect([stranger.code, stranger.stderr]).toEqual([2, expect.stringContaining('is not a class of CIFAR10')]);
  });
});

describe('--compare', () => {
  it('gives cosines and agreement of int8 and f32, also for pictures of no class', async () => {
    const classes = await compared();
    expect(classes.comparison).toMatchObject({
      precisions: ['int8', 'f32'],
      pictures: 7,
      agreement: 1,
      disagreements: [],
    });
    expect(classes.comparison!.worstCosine).toBeGreaterThan(0.9995);
    expect(classes.comparison!.worstCosine).toBeLessThan(1);
    const photos = await report(goldenPath('photos'), '--compare', 'f32', '--dataset', 'cifar10');
    expect(photos).toMatchObject({ task: 'embeddings', pictures: 10, settings: { labels: '10 of CIFAR10' } });
    expect(photos.comparison!.agreement).toBeGreaterThanOrEqual(0.9);
    expect(photos.comparison!.lowest).toHaveLength(10);
  });
});

describe('a picture that cannot be read', () => {
  it('is named once, though both precisions meet it', async () => {
    mkdirSync(join(work, 'broken', 'cat'), { recursive: true });
    writeFileSync(join(work, 'broken', 'cat', 'bad.png'), 'x');
    cpSync(goldenPath('photos/cat.png'), join(work, 'broken', 'cat', 'good.png'));
    const { code, stderr } = await run('broken', '--compare', 'f32', '--json');
    expect([code, stderr.split('bad.png').length]).toEqual([1, 2]);
  });
});

describe('few-shot and linear probe', () => {
  it('learn from pictures of the same classes', async () => {
    for (const label of ['cat', 'rocket', 'cup_of_coffee']) {
      for (const name of ['a', 'b', 'c'])
        cpSync(join(work, 'set', label), join(work, 'train', label, name), { recursive: true });
    }
    for (const task of [['--shots', '2'], ['--linear-probe']]) {
      const split = await report('train', ...task);
      expect(split.classification).toMatchObject({
        top1: 1,
        classes: [{ label: 'cat' }, { label: 'cup_of_coffee' }, { label: 'rocket' }],
      });
      // Halves are rounded down: 1 of 3, 1 of 3 and 3 of 6 are trained on.
      expect(split.classification!.pictures).toBe(task[0] === '--shots' ? 4 * 3 - 3 * 2 : 7);
    }
  });

  it('say what is missing', async () => {
    const { code, stderr } = await run('set', '--linear-probe');
    expect([code, stderr]).toEqual([2, expect.stringContaining('has no picture to train on')]);
    const other = await run('set', '--train', 'pets', '--shots', '1');
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('has no class folder "<b>&"')]);
  });
});

describe('retrieval', () => {
  it('finds pictures by captions and captions by pictures', async () => {
    const captions = {
      'cat/1.png': ['a photo of a cat', 'a cat'],
      'rocket/1.jpg': ['a rocket'],
      'cup_of_coffee/1.png': ['a cup of coffee'],
    };
    const lines = Object.entries(captions).map(([file, captions]) => JSON.stringify({ file, captions }));
    writeFileSync(join(work, 'captions.jsonl'), `${lines.join('\n')}\n`);
    const found = await report('set', '--captions', 'captions.jsonl');
    expect(found.retrieval).toEqual({
      imageToText: { queries: 3, at1: 1, at5: 1, at10: 1, medianRank: 1 },
      textToImage: { queries: 4, at1: 1, at5: 1, at10: 1, medianRank: 1 },
      worst: [],
    });
  });
});

describe('--html', () => {
  it('is one file with the numbers, the matrix and the worst pictures, and no name becomes markup', async () => {
    await compared();
    const html = readFileSync(join(work, 'report.html'), 'utf8');
    const found = await plain();
    expect(html).toContain(`${(found.classification!.top1 * 100).toFixed(2)} %`);
    expect(html).toContain('&lt;b&gt;&amp;');
    expect(html).not.toContain('<b>&');
    expect(html).toContain(COMMA);
    expect(html.match(/src="data:image\/png;base64,iVBOR/g)!.length).toBeGreaterThan(6);
    expect(html).not.toMatch(/<script|(?:src|href)="(?!data:)|url\(/);
    const [, address] = /src="data:image\/png;base64,([^"]+)"/.exec(html)!;
    using clip = await loadClip({ towers: ['image'] });
    expect(await clip.encodeImage(Buffer.from(address!, 'base64'))).toHaveLength(384); // it is a whole PNG
  });
});

describe('--keep', () => {
  it('goes on after a kill: what was done stays, and the result is that of one run', async () => {
    for (let i = 0; i < 30; i++) {
      cpSync(join(work, 'set/rocket'), join(work, `many/${i % 2 ? 'cat' : 'rocket'}/${i}`), { recursive: true });
    }
    const keep = join(work, 'kept');
    const kept = () => (existsSync(keep) ? readdirSync(keep).map((name) => join(keep, name)) : []);
    const written = () =>
      kept()
        .map((path) => readFileSync(path, 'utf8'))
        .join('');
    const child = startEdgeclip(['eval', 'many', '--threads', '1', '--keep', keep], {
      cwd: work,
      imports: [SLOW_PICTURES],
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await expect.poll(() => written().split('\n').length).toBeGreaterThanOrEqual(6);
    child.kill('SIGKILL');
    await ended;
    const [file] = kept() as [string];
    const lines = written()
      .split('\n')
      .filter((line) => line !== '');
    expect(lines.length).toBeLessThan(31); // killed in the middle
    writeFileSync(file, `${lines.slice(0, -1).join('\n')}\n${lines.at(-1)!.slice(0, 300)}`); // cut as a full disk cuts it
    const { stdout, stderr } = await run('many', '--keep', keep, '--json');
    expect(stderr).toBe(`resuming: ${lines.length - 2} of 30 embeddings in int8 are kept\n`);
    expect(stdout).toBe((await run('many', '--json')).stdout);
    const again = await run('many', '--keep', keep, '--json');
    expect([again.stdout, again.stderr]).toEqual([stdout, 'resuming: 30 of 30 embeddings in int8 are kept\n']);
    // Another way to embed has other vectors.
    expect((await run('many', '--keep', keep, '--orient', '--json')).stderr).toBe('');
  });

  it('leaves a file that is not its own', async () => {
    await run('set', '--keep', 'mine');
    const [name] = readdirSync(join(work, 'mine'));
    const file = join(work, 'mine', name!);
    writeFileSync(file, 'my notes');
    const { code, stderr } = await run('set', '--keep', 'mine');
    expect([code, stderr]).toEqual([1, expect.stringContaining('not of this command')]);
    expect(readFileSync(file, 'utf8')).toBe('my notes');
  });
});

describe('the command line', () => {
  it.each([
    [['set', '--compare', 'int8'], /--compare int8 is the precision of --precision/],
    [['set', '--train', 'set'], /--train is for --linear-probe and --shots/],
    [['set', '--shots', '1', '--dataset', 'cifar10'], /--dataset is for zero-shot/],
    [['set', '--dataset', 'cifar'], /--dataset must be one of birdsnap, /],
    [['set/cat'], /has no class folders with pictures; for pictures alone/],
    [['set', '--linear-probe', '--C', '-1'], /--C must be a positive number/],
    [['set', '--html', 'set/cat/1.png'], /--html "set\/cat\/1.png" is the same file as the image/],
  ])('%j', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
