/** The tasks of `eval`: which pictures each needs, and what it makes of their embeddings. */
import { join } from 'node:path';
import type { Clip } from '../clip.ts';
import { type Captions, parseCaptions } from '../eval/captions.ts';
import { fewShot, linearProbe, zeroShot } from '../eval/classifiers.ts';
import { classEntries, classesOfFolders, type DatasetClass, findDataset } from '../eval/datasets.ts';
import type { Report, Task } from '../eval/report.ts';
import { type CaptionedPicture, retrieval } from '../eval/retrieval.ts';
import { splitByClass } from '../eval/seeded.ts';
import { calibrate, type RankedWords } from '../eval/tagging.ts';
import { type ClassEntry, parseClassesJson, parseLabelsFile, resolveTemplates } from '../text/prompts.ts';
import { type ClassFolders, classFolders, plainPictures } from './class-folders.ts';
import type { EvalOptions } from './eval-options.ts';
import { quote, UsageError } from './failure.ts';
import { fileInput, type PictureInput } from './inputs.ts';
import { readTemplates } from './labels.ts';
import type { Progress } from './progress.ts';
import { title } from './standard-input.ts';
import { taggedPictures } from './tagged-pictures.ts';
import { readOptionText } from './text-file.ts';
import { readVocabulary } from './vocabulary.ts';

/** The first label of a picture. */
export interface FirstLabel {
  readonly label: string;
  readonly index: number;
  readonly score: number;
}

export interface Found {
  readonly part: Pick<Report, 'classification' | 'retrieval' | 'tagging'>;
  /** By the picture's place, where labels were ranked. */
  readonly first?: ReadonlyMap<number, FirstLabel>;
}

export interface PreparedTask {
  readonly name: Task;
  readonly pictures: readonly PictureInput[];
  readonly needsText: boolean;
  readonly settings: Report['settings'];
  evaluate(clip: Clip, embeddings: readonly (Float32Array | undefined)[], progress: Progress): Promise<Found>;
}

/**
 * Finds the pictures and checks everything that can be checked before the model is loaded.
 * @throws UsageError, ClipError IO
 */
export async function prepareTask(folder: string, options: EvalOptions, progress: Progress): Promise<PreparedTask> {
  if (options.captions !== undefined) return retrievalTask(folder, options.captions, progress);
  if (options.vocabulary !== undefined) return taggingTask(folder, options.vocabulary, options, progress);
  const found = classFolders(folder, progress);
  if (found.folders.length > 0) {
    if (options.linearProbe) return trainedTask('linear probe', found, options, progress);
    if (options.shots !== undefined) return trainedTask('few-shot', found, options, progress);
    return zeroShotTask(found, options);
  }
  if (options.compare === undefined || options.linearProbe || options.shots !== undefined) {
    throw new UsageError(
      `${quote(folder)} has no class folders with pictures; for pictures alone, give --compare or --captions`,
    );
  }
  return namelessTask(plainPictures(folder, progress), options);
}

async function retrievalTask(folder: string, file: string, progress: Progress): Promise<PreparedTask> {
  const text = await readOptionText('--captions', file);
  const captioned = orUsage(`--captions ${title(file)}`, () => parseCaptions(text, file));
  const pictures = captioned.map(({ file }) => fileInput(join(folder, file), (line) => progress.line(line)));
  return {
    name: 'retrieval',
    pictures,
    needsText: true,
    settings: { captions: captioned.reduce((sum, { captions }) => sum + captions.length, 0) },
    evaluate: async (clip, embeddings, progress) => ({
      part: { retrieval: await evaluateRetrieval(clip, captioned, pictures, embeddings, progress) },
    }),
  };
}

async function evaluateRetrieval(
  clip: Clip,
  captioned: readonly Captions[],
  pictures: readonly PictureInput[],
  embeddings: readonly (Float32Array | undefined)[],
  progress: Progress,
) {
  const texts: string[] = [];
  const found: CaptionedPicture[] = [];
  for (const [i, { captions }] of captioned.entries()) {
    const embedding = embeddings[i];
    if (!embedding) continue;
    found.push({ file: pictures[i]!.name, embedding, captions: captions.map((_, k) => texts.length + k) });
    texts.push(...captions);
  }
  requirePictures(found.length);
  const onProgress = ({ done, total }: { done: number; total: number }) => progress.show('captions', done, total);
  const vectors = await clip.encodeText(texts, { onProgress });
  return retrieval(
    found,
    texts.map((text, i) => ({ text, embedding: vectors[i]! })),
  );
}

/** Words are right if they are the name of the picture's folder, or those that `--tags` says. */
async function taggingTask(
  folder: string,
  path: string,
  options: EvalOptions,
  progress: Progress,
): Promise<PreparedTask> {
  const vocabulary = await readVocabulary(path, options.templates);
  const { words, templates } = vocabulary;
  const { pictures, right } = await taggedPictures(folder, words, options.tags, progress);
  const { targetPrecision, seed } = options;
  return {
    name: 'tagging',
    pictures,
    needsText: true,
    settings: { words: words.length, ...(templates !== undefined && { templates }), target: targetPrecision, seed },
    async evaluate(clip, embeddings, progress) {
      const classifier = await vocabulary.classifier(clip, progress);
      const ranked: RankedWords[] = [];
      for (const [i, embedding] of embeddings.entries()) {
        if (!embedding) continue;
        const similarities = new Float32Array(words.length);
        for (const { index, similarity } of await classifier.classify(embedding)) similarities[index] = similarity;
        ranked.push({ similarities, ...right[i]! });
      }
      requirePictures(ranked.length);
      const tagging = {
        ...calibrate(ranked, targetPrecision, seed),
        model: clip.info().image?.fingerprint ?? null,
        vocabulary: vocabulary.hash,
      };
      return { part: { tagging } };
    },
  };
}

async function zeroShotTask({ folders, pictures }: ClassFolders, options: EvalOptions): Promise<PreparedTask> {
  const { entries, classOf, settings } = await classesFor(folders, options);
  return {
    name: 'zero-shot',
    pictures,
    needsText: true,
    settings,
    async evaluate(clip, embeddings, progress) {
      const own = pictures.map(({ folder }) => classOf[folder]!);
      const { classification, first } = await zeroShot(clip, entries, named(pictures, embeddings, own), {
        onProgress: ({ done, total }) => progress.show('prompts', done, total),
      });
      return { part: { classification }, first };
    },
  };
}

/** Pictures of no known class, against the names of ImageNet or another dataset: for comparing precisions. */
async function namelessTask(pictures: readonly PictureInput[], options: EvalOptions): Promise<PreparedTask> {
  const dataset = findDataset(options.dataset ?? 'imagenet')!;
  const templates = await templatesFor(
    options,
    options.dataset === undefined ? ['a photo of a {}.'] : dataset.templates,
  );
  return {
    name: 'embeddings',
    pictures,
    needsText: true,
    settings: { labels: `${dataset.classes.length} of ${dataset.title}`, templates: templates.length },
    async evaluate(clip, embeddings, progress) {
      const { first } = await zeroShot(clip, classEntries(dataset.classes, templates), named(pictures, embeddings), {
        onProgress: ({ done, total }) => progress.show('prompts', done, total),
      });
      return { part: {}, first };
    },
  };
}

async function trainedTask(
  name: 'linear probe' | 'few-shot',
  { folders, pictures }: ClassFolders,
  options: EvalOptions,
  progress: Progress,
): Promise<PreparedTask> {
  const { train: trainFolder, shots, seed, C } = options;
  const other = trainFolder === undefined ? undefined : classFolders(trainFolder, progress);
  const labels = other?.folders ?? folders;
  const place = new Map(labels.map((label, i) => [label, i]));
  const stranger = folders.find((folder) => !place.has(folder));
  if (stranger !== undefined)
    throw new UsageError(`--train ${quote(trainFolder!)} has no class folder ${quote(stranger)}`);
  if (labels.length < 2) throw new UsageError('there is only one class');
  const all: PictureInput[] = [...(other?.pictures ?? []), ...pictures];
  const trainCount = other?.pictures.length ?? 0;
  const classOf = [
    ...(other?.pictures.map(({ folder }) => folder) ?? []),
    ...pictures.map(({ folder }) => place.get(folders[folder]!)!),
  ];
  return {
    name,
    pictures: all,
    needsText: false,
    settings: { ...(name === 'few-shot' ? { shots: shots! } : { C }), seed, classes: labels.length },
    async evaluate(_, embeddings) {
      // Pictures that cannot be read are in neither part.
      const usable = all.flatMap((_, i) => (embeddings[i] ? [i] : []));
      const pool = other ? usable.filter((i) => i < trainCount) : usable;
      const share = (n: number) => Math.min(n, shots ?? (other ? n : Math.floor(n / 2)));
      const own = pool.map((i) => classOf[i]!);
      const split = splitByClass(own, share, seed);
      const train = split.train.map((i) => pool[i]!);
      const test = other ? usable.filter((i) => i >= trainCount) : split.test.map((i) => pool[i]!);
      const trained = new Set(train.map((i) => classOf[i]!));
      const bare = labels.find((_, i) => !trained.has(i));
      if (bare !== undefined) throw new UsageError(`the class ${quote(bare)} has no picture to train on`);
      if (test.length === 0) throw new UsageError('no picture is left for the test');
      const pick = (indexes: readonly number[]) =>
        indexes.map((i) => ({ file: all[i]!.name, place: i, embedding: embeddings[i]!, own: classOf[i]! }));
      const method = name === 'few-shot' ? fewShot : linearProbe;
      const { classification, first } = await method(labels, pick(train), pick(test), { C });
      return { part: { classification }, first };
    },
  };
}

/** The classes of the folders, with their prompts. */
async function classesFor(folders: readonly string[], options: EvalOptions) {
  const order = folders.map((_, i) => i);
  if (options.classes !== undefined) {
    const what = `--classes ${title(options.classes)}`;
    const text = await readOptionText('--classes', options.classes);
    const entries = orUsage(what, () => parseClassesJson(text, 1));
    const place = new Map(entries.map(({ label }, i) => [label, i]));
    const stranger = folders.find((folder) => !place.has(folder));
    if (stranger !== undefined) throw new UsageError(`${what} has no class ${quote(stranger)}, which is a folder`);
    const templates = await templatesFor(options, ['a photo of a {}.']);
    const filled = entries.map(
      (entry): ClassEntry => (entry.prompts ? entry : classEntries([plainClass(entry.label)], templates)[0]!),
    );
    return {
      entries: filled,
      classOf: folders.map((folder) => place.get(folder)!),
      settings: { classes: entries.length },
    };
  }
  const dataset = options.dataset === undefined ? undefined : findDataset(options.dataset)!;
  const templates = await templatesFor(options, dataset?.templates ?? ['a photo of a {}.']);
  const settings = {
    ...(dataset && { dataset: dataset.title }),
    classes: dataset?.classes.length ?? folders.length,
    templates: templates.length,
  };
  if (dataset) {
    const classOf = orUsage('--dataset', () => classesOfFolders(folders, dataset));
    return { entries: classEntries(dataset.classes, templates), classOf, settings };
  }
  let labels = folders;
  if (options.labelsFile !== undefined) {
    labels = parseLabelsFile(await readOptionText('--labels-file', options.labelsFile));
    if (labels.length !== folders.length) {
      throw new UsageError(
        `--labels-file ${title(options.labelsFile)} has ${labels.length} labels for ${folders.length} class folders`,
      );
    }
  }
  return { entries: classEntries(labels.map(plainClass), templates), classOf: order, settings };
}

const plainClass = (label: string): DatasetClass => ({ label, names: [label] });

async function templatesFor(options: EvalOptions, or: readonly string[]): Promise<readonly string[]> {
  return resolveTemplates((await readTemplates(options.templates)) ?? or);
}

/** The pictures that were embedded, with their classes. */
function named(
  pictures: readonly PictureInput[],
  embeddings: readonly (Float32Array | undefined)[],
  own?: readonly number[],
) {
  const found = pictures.flatMap(({ name }, place) => {
    const embedding = embeddings[place];
    return embedding ? [{ file: name, place, embedding, own: own?.[place] }] : [];
  });
  requirePictures(found.length);
  return found;
}

function requirePictures(n: number): void {
  if (n === 0) throw new UsageError('no picture could be read');
}

function orUsage<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new UsageError(`${what}: ${error.message}`, { cause: error });
  }
}
