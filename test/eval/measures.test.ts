/** Counting, retrieval, splits, captions and datasets of `eval`. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseCaptions } from '../../src/eval/captions.ts';
import { compare } from '../../src/eval/comparison.ts';
import { classEntries, classesOfFolders, datasetNames, findDataset } from '../../src/eval/datasets.ts';
import { retrieval } from '../../src/eval/retrieval.ts';
import { seeded, shuffled, splitByClass } from '../../src/eval/seeded.ts';
import { rankOf, Tally } from '../../src/eval/tally.ts';

describe('a tally', () => {
  it('counts top-1, top-5, classes, confusion and the surest mistakes', () => {
    const labels = ['a', 'b', 'b', 'c', 'd', 'e', 'f'];
    const tally = new Tally(labels, 2);
    tally.add('1', 0, [9, 1, 1, 1, 1, 1, 1], [0.9, 0, 0, 0, 0, 0, 0.1]); // right
    tally.add('2', 0, [5, 6, 0, 0, 0, 0, 0], [0.3, 0.6, 0, 0, 0, 0, 0]); // place 2
    tally.add('3', 2, [9, 8, 1, 7, 6, 5, 4], [0.8, 0.1, 0.01, 0, 0, 0, 0]); // place 7
    tally.add('4', 2, [1, 3, 2, 0, 0, 0, 0], [0.1, 0.5, 0.3, 0, 0, 0, 0]); // the other "b"
    const { worst, confusion, classes, ...shares } = tally.result();
    expect(shares).toEqual({ pictures: 4, top1: 0.25, top5: 0.75, meanPerClass: 0.25 });
    expect(classes).toEqual([
      { label: 'a', index: 0, pictures: 2, top1: 0.5, top5: 1 },
      { label: 'b', index: 2, pictures: 2, top1: 0, top5: 0.5 },
    ]);
    expect(confusion).toEqual([
      { label: 'a', index: 0, predicted: 'a', predictedIndex: 0, pictures: 1 },
      { label: 'a', index: 0, predicted: 'b', predictedIndex: 1, pictures: 1 },
      { label: 'b', index: 2, predicted: 'a', predictedIndex: 0, pictures: 1 },
      { label: 'b', index: 2, predicted: 'b', predictedIndex: 1, pictures: 1 },
    ]);
    expect(worst).toEqual([
      { file: '3', label: 'b', predicted: 'a', score: 0.8, ownScore: 0.01, rank: 7 },
      { file: '2', label: 'a', predicted: 'b', score: 0.6, ownScore: 0.3, rank: 2 },
    ]);
  });

  it('puts the first of equal values first', () => {
    expect([0, 1, 2].map((own) => rankOf([1, 2, 2], own))).toEqual([2, 0, 1]);
  });
});

describe('retrieval', () => {
  it('counts recall both ways as ranks by hand say', async () => {
    const unit = (angle: number) => Float32Array.of(Math.cos(angle), Math.sin(angle), 0, 0);
    const texts = [0.1, 0.9, 1.0, 2.0].map((angle, i) => ({ text: `text ${i}`, embedding: unit(angle) }));
    // Picture 0 owns texts 0 and 1, picture 1 text 2, picture 2 text 3.
    const pictures = [
      { file: 'p0', embedding: unit(0), captions: [0, 1] }, // nearest: text 0
      { file: 'p1', embedding: unit(0.85), captions: [2] }, // nearest: text 1, then 2
      { file: 'p2', embedding: unit(1.2), captions: [3] }, // texts 2, 1, then 3
    ];
    const { imageToText, textToImage, worst } = await retrieval(pictures, texts);
    expect(imageToText).toEqual({ queries: 3, at1: 1 / 3, at5: 1, at10: 1, medianRank: 2 });
    // text 0: p0. text 1 (0.9): p1, p2, then its own p0. text 2 (1.0): p1. text 3: p2.
    expect(textToImage).toEqual({ queries: 4, at1: 3 / 4, at5: 1, at10: 1, medianRank: 1 });
    expect(worst).toEqual([
      { file: 'p2', caption: 'text 3', first: 'text 2', rank: 3 },
      { file: 'p1', caption: 'text 2', first: 'text 1', rank: 2 },
    ]);
  });
});

describe('a split by class', () => {
  const classOf = Array.from({ length: 100 }, (_, i) => i % 7);
  it('takes as many of each class as it is told, and repeats by its seed', () => {
    const one = splitByClass(classOf, () => 3, 5);
    expect(one).toEqual(splitByClass(classOf, () => 3, 5));
    expect(one.train).not.toEqual(splitByClass(classOf, () => 3, 6).train);
    for (let own = 0; own < 7; own++) expect(one.train.filter((i) => classOf[i] === own)).toHaveLength(3);
    expect([...one.train, ...one.test].sort((a, b) => a - b)).toEqual(classOf.map((_, i) => i));
  });

  it('has the numbers of mulberry32', () => {
    const random = seeded(1);
    expect([random(), random()]).toEqual([0.6270739405881613, 0.002735721180215478]);
    expect(shuffled([1, 2, 3, 4, 5], seeded(1)).sort()).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('captions', () => {
  const expected = [
    { file: 'a.jpg', captions: ['a cat, sleeping', 'two'] },
    { file: 'b.jpg', captions: ['say "hi"'] },
  ];
  it.each([
    ['c.jsonl', '{"file":"a.jpg","captions":["a cat, sleeping","two"]}\n{"file":"b.jpg","caption":"say \\"hi\\""}\n'],
    ['c.json', JSON.stringify(expected)],
    ['c.tsv', 'a.jpg\ta cat, sleeping\r\na.jpg\ttwo\r\n\r\nb.jpg\tsay "hi"\r\n'],
    ['c.csv', 'image,caption\na.jpg,"a cat, sleeping"\na.jpg,two\nb.jpg,"say ""hi"""\n'],
    [
      'coco.json',
      JSON.stringify({
        images: [
          { id: 7, file_name: 'a.jpg' },
          { id: 9, file_name: 'b.jpg' },
        ],
        annotations: [
          { image_id: 7, caption: 'a cat, sleeping' },
          { image_id: 7, caption: 'two' },
          { image_id: 9, caption: 'say "hi"' },
        ],
      }),
    ],
  ])('are read from %s', (name, text) => {
    expect(parseCaptions(text, name)).toEqual(expected);
  });

  it.each([
    ['c.jsonl', '{"file":"a.jpg","captions":["x"]}\nnot json\n', /line 2 is not JSON/],
    ['c.json', '[{"file":"a.jpg"}]', /entry 1: expected/],
    ['c.tsv', 'a.jpg\tx\nb.jpg\n', /line 2: expected a file and a caption/],
    ['c.csv', 'a.jpg,one, two\n', /line 1: expected.*in quotes/],
    ['c.tsv', '\n', /no captions/],
    ['c.json', '{"images":[],"annotations":[{"image_id":1,"caption":"x"}]}', /entry 1 has no caption of a known image/],
  ])('that cannot be used are refused: %s %s', (name, text, message) => {
    expect(() => parseCaptions(text, name)).toThrow(message);
  });
});

describe('datasets', () => {
  it('has the published ones with their numbers of classes and templates', () => {
    const sizes = Object.fromEntries(
      datasetNames.map((name) => {
        const { classes, templates } = findDataset(name)!;
        return [name, [classes.length, templates.length]];
      }),
    );
    expect(sizes).toMatchObject({
      cifar10: [10, 18],
      cifar100: [100, 18],
      food101: [101, 1],
      oxfordpets: [37, 1],
      flowers102: [102, 1],
      stl10: [10, 2],
      imagenet: [1000, 80],
      stanfordcars: [196, 8],
      sun397: [397, 2],
      fgvcaircraft: [100, 2],
    });
    expect(findDataset('Oxford-Pets')!.templates).toEqual(['a photo of a {}, a type of pet.']);
    expect(findDataset('cifar-11')).toBeUndefined();
    const imagenet = readFileSync('test/golden/imagenet.txt', 'utf8').trimEnd().split('\n');
    expect(findDataset('imagenet')!.classes.map(({ label }) => label)).toEqual(imagenet);
    for (const name of datasetNames) {
      for (const template of findDataset(name)!.templates)
        expect([name, template]).toEqual([name, expect.stringContaining('{}')]);
    }
  });

  it('knows several names of one class', () => {
    const faces = findDataset('facialemotionrecognition2013')!;
    expect(faces.classes[3]).toEqual({ label: 'happy', names: ['happy', 'smiling'] });
    expect(classEntries(faces.classes.slice(3, 4), ['{}!', 'so {}'])).toEqual([
      { label: 'happy', prompts: ['happy!', 'so happy', 'smiling!', 'so smiling'] },
    ]);
  });

  it('finds the class of a folder by name, number or WordNet id', () => {
    const pets = findDataset('oxfordpets')!;
    const place = (name: string) => pets.classes.findIndex(({ label }) => label === name);
    expect(classesOfFolders(['american_bulldog', 'Bengal'], pets)).toEqual([
      place('american bulldog'),
      place('Bengal'),
    ]);
    const stl = findDataset('stl10')!;
    const numbers = ['1', '10', '2', '3', '4', '5', '6', '7', '8', '9'];
    expect(classesOfFolders(numbers, stl)).toEqual([0, 9, 1, 2, 3, 4, 5, 6, 7, 8]);
    const ids = Array.from({ length: 1000 }, (_, i) => `n${String(1_000_000 + i).padStart(8, '0')}`);
    expect(classesOfFolders(ids, findDataset('imagenet')!)).toEqual(ids.map((_, i) => i));
    expect(() => classesOfFolders(['Bengal', 'kitten'], pets)).toThrow(/"kitten" is not a class of OxfordPets/);
    expect(() => classesOfFolders(['1', '2'], stl)).toThrow(/"1" is not a class/);
  });

  it('reads folders with underscores as words, and labels word for word', () => {
    expect(classEntries([{ label: 'apple_pie, warm', names: ['apple_pie, warm'] }], ['a {}.'])).toEqual([
      { label: 'apple_pie, warm', prompts: ['a apple pie, warm.'] },
    ]);
  });
});

describe('a comparison', () => {
  it('names the pictures that differ, and the lowest cosines', () => {
    const e = (...values: number[]) => Float32Array.from(values);
    const first = [
      { label: 'a', score: 0.6 },
      { label: 'b', score: 0.5 },
    ];
    const found = compare(
      ['int8', 'f32'],
      [
        { file: 'same', embeddings: [e(1, 0), e(2, 0)], agrees: true },
        { file: 'apart', embeddings: [e(1, 0), e(3, 4)], agrees: false, first },
      ],
    );
    expect(found).toMatchObject({ pictures: 2, agreement: 0.5, disagreements: [{ file: 'apart', first }] });
    expect(found.worstCosine).toBeCloseTo(0.6, 12);
    expect(found.meanCosine).toBeCloseTo(0.8, 12);
    expect(found.lowest.map(({ file }) => file)).toEqual(['apart', 'same']);
  });
});
