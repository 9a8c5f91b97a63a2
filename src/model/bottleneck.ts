/** The bottlenecks of a ResNet (He et al. 2016, figure 5) in OpenAI's variant (`model.py`, Bottleneck): names, channels and sizes. */
import type { ResNetConfig } from './config.ts';
import { inMemory } from './slots.ts';

/** Factor from the planes of a bottleneck to its output channels (`Bottleneck.expansion`). */
export const EXPANSION = 4;

/** 1x1 to `planes`, 3x3, 1x1 to `output`, around a residual connection. */
export interface Bottleneck {
  /** OpenAI's name, `layer1.0`. */
  readonly name: string;
  /** From 0. */
  readonly stage: number;
  readonly lastOfStage: boolean;
  readonly input: number;
  readonly planes: number;
  readonly output: number;
  readonly stride: 1 | 2;
  /** Lines and columns of the input, and of the output. */
  readonly size: number;
  readonly outSize: number;
  /** Whether the residual goes through a 1x1 convolution: in the first block of a stage. */
  readonly downsamples: boolean;
}

/** The bottlenecks of a configuration, with their sizes. */
export function bottlenecks({ imageSize, width, layers }: ResNetConfig): Bottleneck[] {
  const blocks: Bottleneck[] = [];
  let size = imageSize / 4; // after the stem
  let input = width;
  for (const [stage, repeats] of layers.entries()) {
    const planes = width * 2 ** stage;
    const output = planes * EXPANSION;
    for (let repeat = 0; repeat < repeats; repeat++) {
      const stride = repeat === 0 && stage > 0 ? 2 : 1;
      const name = `layer${stage + 1}.${repeat}`;
      const lastOfStage = repeat === repeats - 1;
      const outSize = size / stride;
      blocks.push({
        name,
        stage,
        lastOfStage,
        input,
        planes,
        output,
        stride,
        size,
        outSize,
        downsamples: repeat === 0,
      });
      size = outSize;
      input = output;
    }
  }
  return blocks;
}

/** The bottlenecks with their channels in memory. */
export const bottlenecksInMemory = (config: ResNetConfig): Bottleneck[] =>
  bottlenecks(config).map((block) => ({
    ...block,
    input: inMemory(block.input),
    planes: inMemory(block.planes),
    output: inMemory(block.output),
  }));
