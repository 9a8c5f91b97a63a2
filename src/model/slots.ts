/**
 * The slots of a tower with their origin: which tensors of a published checkpoint each weight is made of, and what is folded
 * into it. A tower's file says this once; src/weights reads it from there.
 */
import { PANEL_COLUMNS } from '../engine/contract.ts';
import type { Slot } from '../engine/layout.ts';
import { roundUp } from '../engine/numerics.ts';
import type { PixelChannels } from './pixels.ts';

/** Whose tensor names a checkpoint uses. `openclip` includes OpenAI's own checkpoints. */
export type Naming = 'openclip' | 'huggingface';

/** A tensor as a published checkpoint stores it. */
export interface PublishedTensor {
  /** Shape as the graph uses it: linear maps are [out, in]. */
  readonly shape: readonly number[];
  /** Names in the file. More than one: their rows are concatenated (Hugging Face splits query, key and value). */
  readonly openclip: readonly string[];
  /** Absent if Hugging Face has no such model. */
  readonly huggingface?: readonly string[];
  /** The naming whose files store the transpose. */
  readonly transposedIn?: Naming;
}

/** The batch norm after a convolution, in torch's names: `<name>.weight`, `.bias`, `.running_mean`, `.running_var`. */
export interface BatchNorm {
  readonly weight: PublishedTensor;
  readonly bias: PublishedTensor;
  readonly mean: PublishedTensor;
  readonly variance: PublishedTensor;
  readonly eps: number;
}

/** Positions of a class token and of a square of tokens: the square's side in the file, and in the model. */
export interface PositionGrid {
  readonly trained: number;
  readonly size: number;
}

/** What a slot is made of. */
export interface Origin {
  readonly weight: PublishedTensor;
  readonly bias?: PublishedTensor;
  /** Added to the first row of `weight`: the class token, which has position 0. */
  readonly firstRow?: PublishedTensor;
  /** The weight holds positions, which depend on the image size (src/weights/position-grid.ts). */
  readonly grid?: PositionGrid;
  /** Multiplies the rows of weight and bias: a LayerScale after the layer. */
  readonly rowScale?: PublishedTensor;
  /** Folded into weight and bias (src/weights/batch-norm.ts). */
  readonly batchNorm?: BatchNorm;
  /**
   * Into how many groups the weight's rows and columns are divided, default one. A slot with more rows or columns than the weight has
   * zeros at the end of each group (`inMemory`).
   */
  readonly groups?: { readonly rows?: number; readonly columns?: number };
  /** Number of heads in the weight's rows, each used transposed: [heads, head, k] as [heads, k, head]. */
  readonly transposedHeads?: number;
  /** Tensors of the published layer that do not change its result. */
  readonly unused?: readonly PublishedTensor[];
  /** The map's input is pixels with this many channels: their normalization is folded in (src/weights/pixel-normalization.ts). */
  readonly pixels?: PixelChannels;
}

/** A slot and what it is made of. */
export type TowerSlot = Slot & { readonly from: Origin };

/**
 * Channels in memory, of which the kernels take eight at once: TinyCLIP's ResNets begin with 22 and 28. A channel that only fills
 * up has weights and a bias of zero, so it is zero in every layer (ReLU and GELU keep zeros) and adds nothing to a sum or a scale.
 */
export const inMemory = (channels: number): number => roundUp(channels, PANEL_COLUMNS);

/** A tensor stored under one name in each naming, or in several parts in Hugging Face's. */
export function published(
  shape: readonly number[],
  openclip: string,
  huggingface?: string | readonly string[],
): PublishedTensor {
  const theirs = typeof huggingface === 'string' ? [huggingface] : huggingface;
  return { shape, openclip: [openclip], ...(theirs && { huggingface: theirs }) };
}

/** The two vectors of a LayerNorm. */
export const normSlots = (name: string, width: number, huggingface: string): TowerSlot[] =>
  ['weight', 'bias'].map((part) => ({
    kind: 'vector',
    name: `${name}.${part}`,
    shape: [width],
    from: { weight: published([width], `${name}.${part}`, `${huggingface}.${part}`) },
  }));

/** A linear layer with bias. `scale`: the name of a LayerScale after it. */
export const linearSlot = (name: string, n: number, k: number, huggingface: string, scale?: string): TowerSlot => ({
  kind: 'linear',
  name,
  n: inMemory(n),
  k: inMemory(k),
  bias: true,
  from: {
    weight: published([n, k], `${name}.weight`, `${huggingface}.weight`),
    bias: published([n], `${name}.bias`, `${huggingface}.bias`),
    ...(scale !== undefined && { rowScale: published([n], `${scale}.gamma`) }),
  },
});

/**
 * A tower's projection to the embedding: OpenCLIP multiplies by an [in, out] matrix, Hugging Face has a linear layer, as OpenCLIP
 * has where there is a bias.
 */
export const projectionSlot = (name: string, n: number, k: number, huggingface: string, bias = false): TowerSlot => ({
  kind: 'linear',
  name,
  n,
  k,
  bias,
  from: bias
    ? { weight: published([n, k], `${name}.weight`, huggingface), bias: published([n], `${name}.bias`) }
    : { weight: { ...published([n, k], name, huggingface), transposedIn: 'openclip' } },
});

/**
 * A convolution's weight [n, ...kernel] and the batch norm after it. As a linear map it takes a window's values as
 * [y][x][channel], whatever the order in the file.
 */
export function convolution(conv: string, shape: readonly number[], norm: string, eps: number): Origin {
  const vector = (part: string) => published([shape[0]!], `${norm}.${part}`);
  return {
    weight: published(shape, `${conv}.weight`),
    groups: { columns: shape[2]! * shape[3]! },
    batchNorm: {
      weight: vector('weight'),
      bias: vector('bias'),
      mean: vector('running_mean'),
      variance: vector('running_var'),
      eps,
    },
  };
}

/** Every published tensor that a slot is made of. */
export function publishedTensors({ from }: TowerSlot): PublishedTensor[] {
  const { weight, bias, firstRow, rowScale, batchNorm, unused = [] } = from;
  const norm = batchNorm ? [batchNorm.weight, batchNorm.bias, batchNorm.mean, batchNorm.variance] : [];
  return [weight, bias, firstRow, rowScale, ...norm, ...unused].filter((tensor) => tensor !== undefined);
}
