/** Two precisions of one model, picture by picture. */
import { similarity } from '../similarity.ts';

export interface Comparison {
  readonly precisions: readonly [string, string];
  readonly pictures: number;
  /** Cosine of the two embeddings of a picture. */
  readonly meanCosine: number;
  readonly worstCosine: number;
  /** Pictures with the lowest cosines, lowest first. */
  readonly lowest: readonly { readonly file: string; readonly cosine: number }[];
  /** Where labels were ranked: the share of pictures with the same first label, and the others. */
  readonly agreement?: number;
  readonly disagreements?: readonly Disagreement[];
}

export interface Disagreement {
  readonly file: string;
  /** The first label in each precision, with its probability. */
  readonly first: readonly { readonly label: string; readonly score: number }[];
}

export interface ComparedPicture {
  readonly file: string;
  readonly embeddings: readonly [Float32Array, Float32Array];
  readonly first?: Disagreement['first'];
  /** Whether both have the same first label, by its position: equal labels differ. */
  readonly agrees?: boolean;
}

const MOST = 24;

export function compare(precisions: readonly [string, string], pictures: readonly ComparedPicture[]): Comparison {
  const cosines = pictures.map(({ file, embeddings: [a, b] }) => ({ file, cosine: similarity(a, b) }));
  const lowest = [...cosines].sort((a, b) => a.cosine - b.cosine);
  const ranked = pictures.filter(({ agrees }) => agrees !== undefined);
  const apart = ranked.filter(({ agrees }) => !agrees);
  return {
    precisions,
    pictures: pictures.length,
    meanCosine: cosines.reduce((sum, { cosine }) => sum + cosine, 0) / cosines.length,
    worstCosine: lowest[0]!.cosine,
    lowest: lowest.slice(0, MOST),
    ...(ranked.length > 0 && {
      agreement: 1 - apart.length / ranked.length,
      disagreements: apart.map(({ file, first }) => ({ file, first: first! })),
    }),
  };
}
