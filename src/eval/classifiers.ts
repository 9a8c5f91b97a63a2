/** The three ways to name a picture: by the words for a class, by a regression on embeddings, by the mean of a few pictures. */

import type { ClassifierOptions } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { MeanVectors } from '../mean-vectors.ts';
import { Ranking } from '../ranking.ts';
import type { ClassEntry } from '../text/prompts.ts';
import { fitLogisticRegression, softmaxInPlace } from './logistic-regression.ts';
import { argmax, type Classification, Tally } from './tally.ts';

/** A picture that was embedded: its embedding is as the tower gives it, not of length 1. */
export interface EmbeddedPicture {
  readonly file: string;
  /** Its place among all pictures of the run. */
  readonly place: number;
  readonly embedding: Float32Array;
  /** Its class. */
  readonly own?: number | undefined;
}

export interface Classified {
  readonly classification: Classification;
  /** The first label by the picture's place. */
  readonly first: ReadonlyMap<number, { readonly label: string; readonly index: number; readonly score: number }>;
}

/** Counts the answers for all pictures. Those without a class have a first label only. */
class Answers {
  readonly #labels: readonly string[];
  readonly #tally: Tally;
  readonly #first = new Map<number, { label: string; index: number; score: number }>();

  constructor(labels: readonly string[]) {
    this.#labels = labels;
    this.#tally = new Tally(labels);
  }

  add({ file, place, own }: EmbeddedPicture, values: ArrayLike<number>, scores: ArrayLike<number>): void {
    const index = argmax(values);
    this.#first.set(place, { label: this.#labels[index]!, index, score: scores[index]! });
    if (own !== undefined) this.#tally.add(file, own, values, scores);
  }

  result(): Classified {
    return { classification: this.#tally.result(), first: this.#first };
  }
}

/** Zero-shot: classes are ranked by the cosine with their prompts' mean (Radford et al. 2021, section 3.1). */
export async function zeroShot(
  clip: Clip,
  classes: readonly ClassEntry[],
  pictures: readonly EmbeddedPicture[],
  options: ClassifierOptions,
): Promise<Classified> {
  const classifier = await clip.classifier(classes, options);
  const answers = new Answers(classifier.labels);
  for (const picture of pictures) {
    const ranked = await classifier.classify(picture.embedding);
    const similarities = new Float32Array(ranked.length);
    const scores = new Float32Array(ranked.length);
    for (const { index, similarity, score } of ranked) {
      similarities[index] = similarity;
      scores[index] = score;
    }
    answers.add(picture, similarities, scores);
  }
  return answers.result();
}

/** Linear probe: logistic regression on embeddings before normalization, as OpenAI's README does it. */
export async function linearProbe(
  labels: readonly string[],
  train: readonly EmbeddedPicture[],
  test: readonly EmbeddedPicture[],
  { C }: { readonly C: number },
): Promise<Classified> {
  const model = await fitLogisticRegression(
    train.map(({ embedding }) => embedding),
    train.map(({ own }) => own!),
    { C, classes: labels.length, turn: () => new Promise((resolve) => setTimeout(resolve)) },
  );
  const answers = new Answers(labels);
  for (const picture of test) {
    const logits = model.logits(picture.embedding);
    const scores = logits.slice();
    softmaxInPlace(scores);
    answers.add(picture, logits, scores);
  }
  return answers.result();
}

/**
 * The factor on cosines with prototypes before softmax: the largest that CLIP's training allows (Radford et al. 2021, section
 * 2.5). It changes the probabilities that are shown, not the order.
 */
const LOGIT_SCALE = 100;

/** Few-shot: a class is the mean of its pictures' unit embeddings (prototypes, Snell et al. 2017). */
export async function fewShot(
  labels: readonly string[],
  train: readonly EmbeddedPicture[],
  test: readonly EmbeddedPicture[],
): Promise<Classified> {
  const width = train[0]!.embedding.length;
  const means = new MeanVectors(labels.length, width);
  for (const { embedding, own } of train) means.add(own!, unit(embedding));
  const prototypes = means.unitVectors();
  const ranking = await Ranking.create(labels.length, width);
  for (let i = 0; i < labels.length; i++) ranking.setRow(i, prototypes.subarray(i * width, (i + 1) * width));
  const answers = new Answers(labels);
  for (const picture of test) {
    const similarities = ranking.similarities(picture.embedding);
    answers.add(picture, similarities, ranking.softmax(similarities, LOGIT_SCALE));
  }
  return answers.result();
}

function unit(vector: Float32Array): Float32Array {
  let square = 0;
  for (const value of vector) square += value * value;
  const length = Math.sqrt(square) || 1;
  return vector.map((value) => value / length);
}
