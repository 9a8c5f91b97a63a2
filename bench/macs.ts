/** Multiply-adds of a tower by formula: as published, and as computed here. */

import { bottlenecks } from '../src/model/bottleneck.ts';
import type {
  ClipConfig,
  EfficientNetConfig,
  ResNetConfig,
  TextConfig,
  VisionTransformerConfig,
} from '../src/model/config.ts';
import { residualBlocks } from '../src/model/efficientnet.ts';
import { tokenCount } from '../src/model/vision-transformer.ts';

interface Shape {
  readonly width: number;
  readonly mlpWidth: number;
  readonly layers: number;
}

/** A block over `rows` rows, each of which sees `keys` rows on average. */
function blockMacs({ width, mlpWidth }: Shape, rows: number, keys: number): number {
  return rows * (4 * width * width + 2 * keys * width + 2 * width * mlpWidth);
}

/** The last block where only one row is pooled: keys and values of all, the rest of one. */
function lastBlockMacs({ width, mlpWidth }: Shape, rows: number): number {
  return rows * 2 * width * width + 2 * width * width + 2 * rows * width + 2 * width * mlpWidth;
}

export interface Macs {
  /** As in the paper's graph: every block computes every row. */
  readonly published: number;
  /** What this package computes. */
  readonly done: number;
}

function visionTransformerMacs(config: VisionTransformerConfig, embedDim: number): Macs {
  const tokens = tokenCount(config);
  const ends = (tokens - 1) * config.patch ** 2 * 3 * config.width + config.width * embedDim;
  const block = blockMacs(config, tokens, tokens);
  return {
    published: ends + config.layers * block,
    done: ends + (config.layers - 1) * block + lastBlockMacs(config, tokens),
  };
}

function efficientNetMacs(config: EfficientNetConfig, embedDim: number): Macs {
  const blocks = residualBlocks(config);
  const last = blocks.at(-1)!;
  let macs = blocks[0]!.size ** 2 * 27 * config.stem; // 3x3 windows of RGB
  for (const [i, { size, outSize, input, wide, output, kernel }] of blocks.entries()) {
    if (i > 0) macs += size ** 2 * input * wide;
    macs += outSize ** 2 * wide * (kernel ** 2 + output);
  }
  macs += last.outSize ** 2 * last.output * config.head + config.head * embedDim;
  return { published: macs, done: macs };
}

function resNetMacs(config: ResNetConfig, embedDim: number): Macs {
  const { imageSize, width } = config;
  const blocks = bottlenecks(config);
  const last = blocks.at(-1)!;
  let macs = (imageSize / 2) ** 2 * 9 * (3 * (width / 2) + (width / 2) ** 2 + (width / 2) * width);
  for (const { size, outSize, input, planes, output, downsamples } of blocks) {
    macs += size ** 2 * (input * planes + 9 * planes ** 2);
    macs += outSize ** 2 * output * (planes + (downsamples ? input : 0));
  }
  // Published: keys and values of all tokens, the query and the output of one. Done: see attention-pool.ts.
  const [channels, tokens] = [last.output, last.outSize ** 2 + 1];
  const published = 2 * tokens * channels ** 2 + channels ** 2 + 2 * tokens * channels;
  const done = 3 * channels ** 2 + 2 * config.heads * tokens * channels;
  const out = channels * embedDim;
  return { published: macs + published + out, done: macs + done + out };
}

export function imageMacs({ vision, embedDim }: ClipConfig): Macs {
  const tower = vision!;
  if (tower.kind === 'vit') return visionTransformerMacs(tower, embedDim);
  return tower.kind === 'resnet' ? resNetMacs(tower, embedDim) : efficientNetMacs(tower, embedDim);
}

/** One text of `tokens` tokens, BOS and EOT included; the published graph pads to the context length and masks. */
export function textMacs(config: TextConfig, embedDim: number, tokens: number): Macs {
  const { contextLength, layers, width } = config;
  const causal = (tokens + 1) / 2;
  return {
    published: layers * blockMacs(config, contextLength, contextLength) + width * embedDim,
    done: (layers - 1) * blockMacs(config, tokens, causal) + lastBlockMacs(config, tokens) + width * embedDim,
  };
}
