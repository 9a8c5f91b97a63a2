/** Retrieval: which caption is a picture's, and which picture a caption's (recall at k, as Karpathy & Fei-Fei 2015 count it). */
import { Ranking } from '../ranking.ts';
import { argmax, rankOf } from './tally.ts';

/** Shares from 0 to 1 of queries whose right answer is among the first k. */
export interface Recall {
  readonly queries: number;
  readonly at1: number;
  readonly at5: number;
  readonly at10: number;
  /** Median place of the right answer, from 1. */
  readonly medianRank: number;
}

export interface Retrieval {
  readonly imageToText: Recall;
  readonly textToImage: Recall;
  /** Pictures whose own captions came last, worst first. */
  readonly worst: readonly {
    readonly file: string;
    readonly caption: string;
    readonly first: string;
    readonly rank: number;
  }[];
}

export interface CaptionedPicture {
  readonly file: string;
  readonly embedding: Float32Array;
  /** Indexes of its captions. */
  readonly captions: readonly number[];
}

const MOST_WORST = 24;

export async function retrieval(
  pictures: readonly CaptionedPicture[],
  texts: readonly { readonly text: string; readonly embedding: Float32Array }[],
): Promise<Retrieval> {
  const width = pictures[0]!.embedding.length;
  const textRows = await Ranking.create(texts.length, width);
  for (const [i, { embedding }] of texts.entries()) textRows.setRow(i, embedding, true);
  const imageRanks: number[] = [];
  const worst: Retrieval['worst'][number][] = [];
  for (const { file, embedding, captions } of pictures) {
    const similarities = textRows.similarities(embedding);
    const ranks = captions.map((caption) => rankOf(similarities, caption));
    const rank = Math.min(...ranks);
    imageRanks.push(rank);
    if (rank === 0) continue;
    const own = captions[ranks.indexOf(rank)]!;
    worst.push({ file, caption: texts[own]!.text, first: texts[argmax(similarities)]!.text, rank: rank + 1 });
  }
  const imageRows = await Ranking.create(pictures.length, width);
  const owner = new Map<number, number>();
  for (const [i, { embedding, captions }] of pictures.entries()) {
    imageRows.setRow(i, embedding, true);
    for (const caption of captions) owner.set(caption, i);
  }
  const textRanks = texts.map(({ embedding }, i) => rankOf(imageRows.similarities(embedding), owner.get(i)!));
  worst.sort((a, b) => b.rank - a.rank);
  return { imageToText: recall(imageRanks), textToImage: recall(textRanks), worst: worst.slice(0, MOST_WORST) };
}

function recall(ranks: readonly number[]): Recall {
  const share = (k: number) => ranks.filter((rank) => rank < k).length / ranks.length;
  const sorted = [...ranks].sort((a, b) => a - b);
  const medianRank = sorted[(sorted.length - 1) >> 1]! + 1;
  return { queries: ranks.length, at1: share(1), at5: share(5), at10: share(10), medianRank };
}
