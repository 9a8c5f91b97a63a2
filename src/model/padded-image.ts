/** An image with a border of zeros, the input of a 3x3 convolution: windows at its edges need no special case. */
import type { Pointer } from '../engine/kernels.ts';

/** f32 [size + 2, size + 2, channels]. */
export interface PaddedImage {
  readonly at: Pointer;
  readonly size: number;
  readonly channels: number;
}

/** Bytes of the whole image. */
export const paddedBytes = (size: number, channels: number) => (size + 2) ** 2 * channels * 4;

/** Where the first pixel of a line is, inside the border. */
export const lineOf = ({ at, size, channels }: PaddedImage, line: number): Pointer =>
  at + ((line + 1) * (size + 2) + 1) * channels * 4;

/** How a product writes into the image. */
export const within = ({ size, channels }: PaddedImage) => ({ line: { width: size, gap: 2 * channels * 4 } });
