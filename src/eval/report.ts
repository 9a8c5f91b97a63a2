/** What an evaluation found: the JSON that `edgeclip eval --json` prints. */
import type { Comparison } from './comparison.ts';
import type { Retrieval } from './retrieval.ts';
import type { Tagged, Tagging } from './tagging.ts';
import type { Classification } from './tally.ts';

export type Task = 'zero-shot' | 'linear probe' | 'few-shot' | 'retrieval' | 'tagging' | 'embeddings';

export interface Report {
  readonly task: Task;
  readonly folder: string;
  readonly model: string;
  readonly precision: string;
  readonly imageSize: number;
  readonly edgeclip: string;
  /** What the numbers depend on: templates, seed, shots, C, and how pictures were read where it is not the usual way. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Pictures that were embedded. */
  readonly pictures: number;
  readonly failed: readonly { readonly file: string; readonly reason: string }[];
  readonly classification?: Classification;
  readonly retrieval?: Retrieval;
  readonly tagging?: Tagging;
  readonly comparison?: Comparison;
}

export const percent = (share: number) => `${(share * 100).toFixed(2)} %`;

/** The numbers that stand for the whole, by name. */
export function headline({ classification, retrieval, tagging, comparison }: Report): [string, string][] {
  const lines: [string, string][] = [];
  if (classification) {
    lines.push(['top-1', percent(classification.top1)]);
    if (classification.classes.length > 5) lines.push(['top-5', percent(classification.top5)]);
    lines.push(['mean per class', percent(classification.meanPerClass)]);
  }
  if (retrieval) {
    for (const [name, recall] of [
      ['image to text', retrieval.imageToText],
      ['text to image', retrieval.textToImage],
    ] as const) {
      const { at1, at5, at10, medianRank } = recall;
      lines.push([
        name,
        `recall at 1 ${percent(at1)}, at 5 ${percent(at5)}, at 10 ${percent(at10)}, median rank ${medianRank}`,
      ]);
    }
  }
  if (tagging) {
    const { target, all, heldOut } = tagging;
    const shares = ({ precision, recall }: Tagged) => `precision ${percent(precision)}, recall ${percent(recall)}`;
    lines.push([
      'threshold',
      all ? `${all.threshold}: ${shares(all)}` : `none reaches a precision of ${percent(target)}`,
    ]);
    if (heldOut) lines.push(['chosen on half', `${heldOut.threshold}: ${shares(heldOut)} on the other half`]);
  }
  if (comparison) {
    const { precisions, meanCosine, worstCosine, agreement, disagreements } = comparison;
    lines.push([
      `${precisions[0]} and ${precisions[1]}`,
      `cosine ${meanCosine.toFixed(7)} on average, ${worstCosine.toFixed(7)} at worst`,
    ]);
    if (agreement !== undefined) {
      lines.push([
        'same first label',
        `${percent(agreement)} (${disagreements!.length} of ${comparison.pictures} differ)`,
      ]);
    }
  }
  return lines;
}
