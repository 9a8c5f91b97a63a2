/** The size after the resize and the position of the crop: the two published conventions of CLIP's preprocessing. */

/**
 * How the crop's corner is rounded when (resized - size) is odd.
 * `half-even`: Python's round(x / 2), as torchvision, OpenAI's CLIP and OpenCLIP do. `floor`: x // 2, as Hugging Face does.
 */
export type CropRounding = 'half-even' | 'floor';

/** The picture is resized to `resizedWidth` x `resizedHeight`; the crop is `size` x `size` from (`left`, `top`) of that. */
export interface CropGeometry {
  readonly resizedWidth: number;
  readonly resizedHeight: number;
  readonly left: number;
  readonly top: number;
  readonly size: number;
}

/**
 * The short edge becomes `size`, the long one int(size * long / short) (torchvision's _compute_resized_output_size and
 * Hugging Face's get_resize_output_image_size agree); then a centered square of `size`.
 */
export function cropGeometry(width: number, height: number, size: number, crop: CropRounding): CropGeometry {
  const long = Math.floor((size * Math.max(width, height)) / Math.min(width, height));
  const resizedWidth = width <= height ? size : long;
  const resizedHeight = width <= height ? long : size;
  return {
    resizedWidth,
    resizedHeight,
    left: corner(resizedWidth - size, crop),
    top: corner(resizedHeight - size, crop),
    size,
  };
}

/** Both sides become `size` (torchvision's Resize with two numbers): nothing is cut off. */
export const squashGeometry = (size: number): CropGeometry => ({
  resizedWidth: size,
  resizedHeight: size,
  left: 0,
  top: 0,
  size,
});

function corner(excess: number, crop: CropRounding): number {
  const low = Math.floor(excess / 2);
  // Python rounds halves to even: 1/2 -> 0, 3/2 -> 2.
  return crop === 'half-even' && excess % 2 === 1 && low % 2 === 1 ? low + 1 : low;
}
