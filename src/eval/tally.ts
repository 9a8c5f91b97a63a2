/** Counting what a classifier got right, picture by picture. */

/** A picture that was taken for something else. */
export interface Mistake {
  readonly file: string;
  readonly label: string;
  readonly predicted: string;
  /** Probability of the predicted class, and of the picture's own. */
  readonly score: number;
  readonly ownScore: number;
  /** Place of its own class, from 1. */
  readonly rank: number;
}

export interface ClassResult {
  readonly label: string;
  /** Position of the class: equal labels differ here. */
  readonly index: number;
  readonly pictures: number;
  readonly top1: number;
  readonly top5: number;
}

export interface Confusion {
  readonly label: string;
  readonly index: number;
  readonly predicted: string;
  readonly predictedIndex: number;
  readonly pictures: number;
}

/** Shares are from 0 to 1. */
export interface Classification {
  readonly pictures: number;
  readonly top1: number;
  readonly top5: number;
  /** Mean of the classes' top-1: what is published for Pets, Flowers102, Caltech101 and FGVC Aircraft. */
  readonly meanPerClass: number;
  /** Classes that have pictures. */
  readonly classes: readonly ClassResult[];
  /** Pairs that occur, right ones included, by class and then by frequency. */
  readonly confusion: readonly Confusion[];
  /** The mistakes that were surest, worst first. */
  readonly worst: readonly Mistake[];
}

/** The place of class `own` when classes are ordered by value, the first of equal ones first; from 0. */
export function rankOf(values: ArrayLike<number>, own: number): number {
  const value = values[own]!;
  let rank = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > value || (values[i] === value && i < own)) rank++;
  return rank;
}

/** The first of the largest. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

export class Tally {
  readonly #labels: readonly string[];
  readonly #mostWorst: number;
  readonly #pairs = new Map<number, number>();
  readonly #counts: { pictures: number; top1: number; top5: number }[];
  readonly #worst: (Mistake & { readonly margin: number })[] = [];

  constructor(labels: readonly string[], mostWorst = 24) {
    this.#labels = labels;
    this.#mostWorst = mostWorst;
    this.#counts = labels.map(() => ({ pictures: 0, top1: 0, top5: 0 }));
  }

  /**
   * Counts a picture.
   * @param own its class
   * @param values what classes are ordered by, the largest first
   * @param scores probabilities of the classes
   */
  add(file: string, own: number, values: ArrayLike<number>, scores: ArrayLike<number>): void {
    const rank = rankOf(values, own);
    const predicted = rank === 0 ? own : argmax(values);
    const counts = this.#counts[own]!;
    counts.pictures++;
    if (rank < 1) counts.top1++;
    if (rank < 5) counts.top5++;
    const pair = own * this.#labels.length + predicted;
    this.#pairs.set(pair, (this.#pairs.get(pair) ?? 0) + 1);
    if (rank === 0) return;
    const [score, ownScore] = [scores[predicted]!, scores[own]!];
    const mistake = { file, label: this.#labels[own]!, predicted: this.#labels[predicted]!, score, ownScore };
    this.#worst.push({ ...mistake, rank: rank + 1, margin: score - ownScore });
    this.#worst.sort((a, b) => b.margin - a.margin);
    if (this.#worst.length > this.#mostWorst) this.#worst.pop();
  }

  result(): Classification {
    const classes = this.#counts.flatMap(({ pictures, top1, top5 }, i) =>
      pictures === 0
        ? []
        : [{ label: this.#labels[i]!, index: i, pictures, top1: top1 / pictures, top5: top5 / pictures }],
    );
    const sum = (key: 'pictures' | 'top1' | 'top5') => this.#counts.reduce((sum, counts) => sum + counts[key], 0);
    const pictures = sum('pictures');
    const n = this.#labels.length;
    const confusion = [...this.#pairs]
      .map(([pair, pictures]) => ({ own: Math.floor(pair / n), predicted: pair % n, pictures }))
      .sort((a, b) => a.own - b.own || b.pictures - a.pictures || a.predicted - b.predicted)
      .map(({ own, predicted, pictures }) => ({
        label: this.#labels[own]!,
        index: own,
        predicted: this.#labels[predicted]!,
        predictedIndex: predicted,
        pictures,
      }));
    return {
      pictures,
      top1: sum('top1') / pictures,
      top5: sum('top5') / pictures,
      meanPerClass: classes.reduce((sum, { top1 }) => sum + top1, 0) / classes.length,
      classes,
      confusion,
      worst: this.#worst.map(({ margin: _, ...mistake }) => mistake),
    };
  }
}
