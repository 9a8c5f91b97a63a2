/** Limits and checks that hold for both formats of a configuration. */
import { ClipError } from '../errors.ts';
import type { Fields } from '../fields.ts';
import type { ClipConfig, TextConfig, VisionConfig } from './config.ts';

/** Upper bounds far above every CLIP model; a larger value means a damaged configuration. */
export const MAX = { width: 16_384, layers: 256, heads: 256, image: 4096, context: 4096, vocabulary: 4_194_304 };

/**
 * Reads the configurations of both towers. One that cannot be built does not keep the other from being loaded alone: its error
 * becomes a sentence in `refused`.
 */
export function bothTowers(
  image: () => VisionConfig,
  text: () => TextConfig,
): Pick<ClipConfig, 'vision' | 'text' | 'refused'> {
  const vision = orReason(image);
  const words = orReason(text);
  const refused = { ...(vision.reason && { image: vision.reason }), ...(words.reason && { text: words.reason }) };
  return {
    ...(vision.value && { vision: vision.value }),
    ...(words.value && { text: words.value }),
    ...(Object.keys(refused).length > 0 && { refused }),
  };
}

function orReason<T>(read: () => T): { value?: T; reason?: string } {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof ClipError && error.code === 'CONFIG') return { reason: error.message };
    throw error;
  }
}

/** The width of a transformer must be a multiple of 8, the number of columns that the kernels take at once. */
export function transformerWidth(fields: Fields, key: string, or: number): number {
  const width = fields.integer(key, { min: 8, max: MAX.width, or });
  return width % 8 === 0 ? width : fields.fail(key, 'a multiple of 8', width);
}

export function checkHeads(fields: Fields, key: string, width: number, heads: number): number {
  return width % heads === 0 ? heads : fields.fail(key, `a divisor of the width, ${width}`, heads);
}

export function squareGrid(fields: Fields, patchDefault: number): { imageSize: number; patch: number } {
  const patch = fields.square('patch_size', { min: 1, max: MAX.image, or: patchDefault });
  const imageSize = fields.square('image_size', { min: 1, max: MAX.image, or: 224 });
  if (imageSize % patch !== 0) fields.fail('image_size', `a multiple of patch_size, ${patch}`, imageSize);
  return { imageSize, patch };
}

/** Epsilon of the LayerNorms, 1e-5 if absent (torch's default). */
export function layerNormEps(fields: Fields, key: string): number {
  return fields.number(key, { min: Number.MIN_VALUE, max: 1, or: 1e-5 });
}
