/** What the package hands out cannot be changed, so a caller's slip changes no later result. */
import { afterAll, expect, it } from 'vitest';
import {
  Classifier,
  Clip,
  loadClip,
  preprocessConfigFromHuggingFace,
  preprocessConfigFromOpenClip,
  templateSets,
} from '../../src/index.ts';
import { goldenPath } from '../model/golden.ts';

const clip = await loadClip();
afterAll(() => clip.dispose());

/** The paths of all objects in a value that can be changed. */
function changeable(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.entries(value).flatMap(([key, item]) => changeable(item, `${path}.${key}`));
  return Object.isFrozen(value) ? inside : [path || '(itself)', ...inside];
}

it.each<[string, () => unknown]>([
  ['config', () => clip.config],
  ['preprocess', () => clip.preprocess],
  ['info()', () => clip.info()],
  ['templateSets', () => templateSets],
  ['preprocessConfigFromOpenClip', () => preprocessConfigFromOpenClip({})],
  ['preprocessConfigFromHuggingFace', () => preprocessConfigFromHuggingFace({})],
])('%s is frozen to its leaves', (_, get) => {
  expect(changeable(get())).toEqual([]);
});

it('the configuration of a model from a folder, and its warnings', async () => {
  const tiny = await loadClip(goldenPath('tiny-vit-hf'));
  expect(changeable({ ...tiny })).toEqual(['(itself)']); // its fields are
  expect(() => (tiny.info().warnings as string[]).push('mine')).toThrow(TypeError);
  expect(tiny.info().warnings).not.toContain('mine');
  tiny.dispose();
});

it('labels: neither a classifier nor one from its bytes can be relabelled', async () => {
  const made = await clip.classifier(['dog', 'cat']);
  const embedding = await clip.encodeText('a photo of a cat.');
  for (const classifier of [made, Classifier.fromBytes(made.toBytes(), clip)]) {
    const labels = classifier.labels as string[];
    expect(() => labels.sort()).toThrow(TypeError);
    expect(() => labels.push('fox')).toThrow(TypeError);
    const expected = await classifier.classify(embedding);
    expect(expected[0]).toMatchObject({ label: 'cat', index: 1 });
    expect(Classifier.fromBytes(classifier.toBytes()).labels).toEqual(['dog', 'cat']);
    Object.assign(classifier, { labels: ['x'], logitScale: 0 }); // writable, but not what is computed with
    expect(await classifier.classify(embedding)).toEqual(expected);
  }
});

it("a preprocessing configuration does not share the caller's lists", () => {
  const json = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };
  const config = preprocessConfigFromHuggingFace(json);
  json.image_mean[0] = 0;
  expect(config.mean).toEqual([0.5, 0.5, 0.5]);
});

it('models and classifiers are not made by hand', () => {
  const by = (Made: unknown) => () => new (Made as new () => unknown)();
  expect(by(Clip)).toThrow(new TypeError('new Clip: models are made by loadClip(), not by hand'));
  expect(by(Classifier)).toThrow(new TypeError('new Classifier: use clip.classifier(..) or Classifier.fromBytes(..)'));
});
