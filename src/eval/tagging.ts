/** From which cosine on the words of a vocabulary are right: a threshold for `edgeclip tag`. */
import { splitByClass } from './seeded.ts';

/** A picture's cosines with all words, and which of them are right. */
export interface RankedWords {
  readonly similarities: Float32Array;
  readonly right: ReadonlySet<number>;
  /** Pictures are halved within each of these. */
  readonly group: number;
}

/** What pictures get with a threshold. Shares are from 0 to 1. */
export interface Tagged {
  /** Least cosine of a word that is given. */
  readonly threshold: number;
  /** Of the words that are given, how many are right. */
  readonly precision: number;
  /** Of the right words, how many are given. */
  readonly recall: number;
  /** Words that are given to a picture, on average. */
  readonly words: number;
}

export interface Tagging {
  /** The precision that was asked for. */
  readonly target: number;
  /** The least threshold that reaches it; null if none does. */
  readonly all: Tagged | null;
  /** The same chosen on half of the pictures of each group, and measured on the others: what to expect of other pictures. */
  readonly heldOut: Tagged | null;
  /** Some thresholds, the least first. */
  readonly curve: readonly Tagged[];
  /** What the threshold holds for: the image tower's fingerprint, and a hash of words and prompts. */
  readonly model: string | null;
  readonly vocabulary: string;
}

/** Thresholds are multiples of it. */
const STEP = 1e-3;
/** Steps from one threshold of the curve to the next. */
const CURVE_STEPS = 50;

/** @param target precision, above 0 and at most 1 */
export function calibrate(
  pictures: readonly RankedWords[],
  target: number,
  seed: number,
): Pick<Tagging, 'target' | 'all' | 'heldOut' | 'curve'> {
  const groups = pictures.map(({ group }) => group);
  const { train, test } = splitByClass(groups, (n) => Math.ceil(n / 2), seed);
  const pick = (places: readonly number[]) => places.map((i) => pictures[i]!);
  const chosen = test.length > 0 ? leastThreshold(pick(train), target) : undefined;
  const all = leastThreshold(pictures, target);
  return {
    target,
    all: all === undefined ? null : tagged(pictures, all),
    heldOut: chosen === undefined ? null : tagged(pick(test), chosen),
    curve: curve(pictures),
  };
}

/** In steps, so that a threshold that is printed and read again is the same. */
const stepOf = (similarity: number): number => Math.floor(similarity / STEP);
const thresholdAt = (step: number): number => Number((step * STEP).toFixed(3));

/** The least threshold from which on the words that are given have this precision. */
function leastThreshold(pictures: readonly RankedWords[], target: number): number | undefined {
  const counts = new Map<number, { given: number; right: number }>();
  for (const { similarities, right } of pictures) {
    for (const [word, similarity] of similarities.entries()) {
      const step = stepOf(similarity);
      const count = counts.get(step) ?? { given: 0, right: 0 };
      counts.set(step, count);
      count.given++;
      if (right.has(word)) count.right++;
    }
  }
  let [given, right, least] = [0, 0, undefined as number | undefined];
  for (const step of [...counts.keys()].sort((a, b) => b - a)) {
    const count = counts.get(step)!;
    given += count.given;
    right += count.right;
    if (right > 0 && right >= target * given) least = step;
  }
  return least === undefined ? undefined : thresholdAt(least);
}

/** What these pictures get. */
function tagged(pictures: readonly RankedWords[], threshold: number): Tagged {
  let [given, good, there] = [0, 0, 0];
  for (const { similarities, right } of pictures) {
    there += right.size;
    for (const [word, similarity] of similarities.entries()) {
      if (similarity < threshold) continue;
      given++;
      if (right.has(word)) good++;
    }
  }
  return {
    threshold,
    precision: given === 0 ? 1 : good / given,
    recall: there === 0 ? 1 : good / there,
    words: given / pictures.length,
  };
}

function curve(pictures: readonly RankedWords[]): Tagged[] {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const { similarities, right } of pictures) {
    for (const [word, similarity] of similarities.entries()) {
      if (right.has(word)) least = Math.min(least, similarity);
      most = Math.max(most, similarity);
    }
  }
  const found: Tagged[] = [];
  for (
    let step = Math.floor(stepOf(least) / CURVE_STEPS) * CURVE_STEPS;
    thresholdAt(step) <= most;
    step += CURVE_STEPS
  ) {
    found.push(tagged(pictures, thresholdAt(step)));
  }
  return found;
}
