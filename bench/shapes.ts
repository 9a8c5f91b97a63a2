/** The matrix products of the towers: C[m, n] = A[m, k] B[k, n]. */
import type { EfficientNetConfig } from '../src/model/config.ts';
import { residualBlocks } from '../src/model/efficientnet.ts';

export interface GemmShape {
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** The four products of a transformer block. */
function block(name: string, m: number, width: number): GemmShape[] {
  return [
    { name: `${name} qkv`, m, k: width, n: 3 * width },
    { name: `${name} out`, m, k: width, n: width },
    { name: `${name} fc`, m, k: width, n: 4 * width },
    { name: `${name} proj`, m, k: 4 * width, n: width },
  ];
}

/** Wide activation that the tower keeps at a time (efficientnet.ts, BAND_BYTES). */
const BAND_BYTES = 192 * 1024;

/** The 1x1 convolutions of an EfficientNet, each kind once, over as many lines as the tower does at once. */
function pointwise(config: EfficientNetConfig): GemmShape[] {
  const shapes = new Map<string, GemmShape>();
  const add = (part: string, pixels: number, across: number, k: number, n: number) => {
    const lines = Math.max(2, Math.floor(BAND_BYTES / (across * Math.max(k, n) * 2)));
    const m = Math.min(pixels, lines * across);
    shapes.set(`${m} ${k} ${n}`, { name: `Lite0 ${part}`, m, k, n });
  };
  const blocks = residualBlocks(config);
  for (const [i, { size, outSize, input, wide, output }] of blocks.entries()) {
    if (i > 0) add('expand', size ** 2, size, input, wide);
    add('project', outSize ** 2, outSize, wide, output);
  }
  const last = blocks.at(-1)!;
  add('head', last.outSize ** 2, last.outSize, last.output, config.head);
  return [...shapes.values()];
}

export function gemmShapes(embedded: EfficientNetConfig): GemmShape[] {
  return [
    ...block('ViT-B/32', 50, 768),
    { name: 'ViT-B/32 patches', m: 49, k: 3072, n: 768 },
    ...block('one row', 1, 768),
    { name: 'one row, embedding', m: 1, k: 768, n: 512 },
    ...block('ViT-B/16', 197, 768),
    ...block('ViT-L/14', 257, 1024),
    ...block('text, 77 tokens', 77, 512),
    ...block('text, 256 nodes', 256, 512),
    ...pointwise(embedded),
  ];
}
