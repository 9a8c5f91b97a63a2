/**
 * The normal form of a model's configuration. Its two readers are config-openclip.ts and config-huggingface.ts. An
 * option that changes the arithmetic and is not built is refused by name: a model that loads gives the published numbers.
 */
import type { EndTokenRule } from '../text/end-token.ts';

/** The two halves of a CLIP model. */
export type Tower = 'image' | 'text';

export interface TransformerShape {
  /** Length of a token's vector, a multiple of 8. */
  readonly width: number;
  readonly layers: number;
  /** Attention heads, a divisor of `width`. */
  readonly heads: number;
  /** Hidden width of the MLP. */
  readonly mlpWidth: number;
  /** `gelu` is the exact one (erf), `quick_gelu` is x * sigmoid(1.702 x). */
  readonly activation: 'gelu' | 'quick_gelu';
  readonly layerNormEps: number;
  /** Whether each layer's two outputs are multiplied by a learned vector (LayerScale, Touvron et al. 2021). */
  readonly layerScale?: boolean;
  /** Whether a linear layer maps the pooled token to the embedding. Without it the embedding is the pooled token. */
  readonly projection: boolean;
}

/** Vision Transformer. */
export interface VisionTransformerConfig extends TransformerShape {
  readonly kind: 'vit';
  /** Side of the square input in pixels, a multiple of `patch`. */
  readonly imageSize: number;
  /** Side of the pictures that the weights' positions are for, where `imageSize` is another (src/model/image-size.ts). */
  readonly trainedSize?: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** Whether a LayerNorm (`ln_pre`) comes before the first block. */
  readonly preNorm: boolean;
  /**
   * What is pooled, default the class token. `mean`: the mean of the patches' tokens, before the last LayerNorm (`meanFirst`) or
   * after it.
   */
  readonly pooling?: 'meanFirst' | 'normFirst';
}

/** OpenAI's ResNet (`ModifiedResNet`): a stem of three convolutions, anti-aliased strides, attention pooling. */
export interface ResNetConfig {
  readonly kind: 'resnet';
  /** Side of the square input in pixels, a multiple of 32. */
  readonly imageSize: number;
  /** Side of the pictures that the weights' positions are for, where `imageSize` is another (src/model/image-size.ts). */
  readonly trainedSize?: number;
  /** Channels after the stem; a stage's bottlenecks have width, 2 width, 4 width and 8 width planes, and four times that out. */
  readonly width: number;
  /** Bottlenecks in each stage. */
  readonly layers: readonly [number, number, number, number];
  /** Heads of the attention pooling, over 32 width channels. */
  readonly heads: number;
}

/** A stage of inverted-residual blocks. The first has the stride; the others have stride 1 and `channels` in and out. */
export interface EfficientNetStage {
  readonly repeats: number;
  /** Output channels. */
  readonly channels: number;
  /** Side of the depthwise kernel. */
  readonly kernel: 3 | 5;
  readonly stride: 1 | 2;
  /** Factor from input channels to the channels of the depthwise convolution; 1 means no expansion layer. */
  readonly expansion: number;
}

/** EfficientNet-Lite: TensorFlow's "same" padding, ReLU6, no squeeze-and-excite, mean pooling. */
export interface EfficientNetConfig {
  readonly kind: 'efficientnet-lite';
  /** Side of the square input in pixels, a multiple of 32. */
  readonly imageSize: number;
  /** Side of the pictures that the weights' positions are for, where `imageSize` is another (src/model/image-size.ts). */
  readonly trainedSize?: number;
  /** Channels after the stem (3x3, stride 2). */
  readonly stem: number;
  readonly stages: readonly EfficientNetStage[];
  /** Channels after the last 1x1 convolution: the length of the pooled vector. */
  readonly head: number;
  /** Epsilon of the batch norms. */
  readonly bnEps: number;
  /** Whether the projection to the embedding adds a bias. */
  readonly projectionBias: boolean;
}

export type VisionConfig = VisionTransformerConfig | ResNetConfig | EfficientNetConfig;

/** Text transformer. */
export interface TextConfig extends TransformerShape {
  /** Maximum number of tokens of a text, BOS and EOT included. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /**
   * Which token is pooled: the first with the largest id, the first with this id, the first of all, or the last of the padded text.
   */
  readonly eot: EndTokenRule;
  /** False where each token attends to the whole text; in other towers to those before it and itself. */
  readonly causal?: false;
  /** The id that fills texts up to the context length, where the padding is part of the embedding. */
  readonly padding?: number;
  /** Whether the projection to the embedding adds a bias. */
  readonly projectionBias?: true;
  /** How texts are cleaned for the tokenizer, default `lower` (OpenCLIP's names). */
  readonly cleaning?: 'lower' | 'whitespace' | 'canonicalize';
  /** Whether the tokenizer's end token becomes id 0 (OpenCLIP's `strip_sep_token`). */
  readonly stripSeparator?: true;
}

/** A model with one tower or both. */
export interface ClipConfig {
  /** Length of an embedding. */
  readonly embedDim: number;
  readonly vision?: VisionConfig;
  readonly text?: TextConfig;
  /** Which format this was read from. */
  readonly source: 'openclip' | 'huggingface';
  /** Why a tower that the model has cannot be built; the other one can. */
  readonly refused?: { readonly [T in Tower]?: string };
}

/** The towers that the model has, image first. */
export function configTowers({ vision, text }: ClipConfig): Tower[] {
  return [...(vision ? (['image'] as const) : []), ...(text ? (['text'] as const) : [])];
}
