/** The image size as a dial: the same weights on pictures of another size, for less work or more detail. */
import { show } from '../json.ts';
import type { ClipConfig, VisionConfig } from './config.ts';
import { MAX } from './config-limits.ts';
import type { SizeStep } from './tower.ts';

/**
 * The model for pictures of another size, in pixels.
 * @param sizes those that its image tower takes
 * @throws RangeError for another one
 */
export function withImageSize(config: ClipConfig, size: number, sizes: SizeStep | undefined): ClipConfig {
  const { vision } = config;
  if (!vision || !sizes) throw new RangeError('imageSize: the model has no image tower');
  const { step, reason } = sizes;
  if (!Number.isInteger(size) || size < step || size > MAX.image || size % step !== 0) {
    const most = MAX.image - (MAX.image % step);
    throw new RangeError(
      `imageSize must be a multiple of ${step} from ${step} to ${most}, as ${reason}; got ${show(size)}`,
    );
  }
  if (size === vision.imageSize) return config;
  return { ...config, vision: { ...vision, imageSize: size, trainedSize: trainedSize(vision) } };
}

/** Side of the pictures that the weights are for. */
export const trainedSize = ({ imageSize, trainedSize = imageSize }: VisionConfig): number => trainedSize;

/** The model as its weights are: for pictures of the size that it was trained with. */
export function asTrained(config: ClipConfig): ClipConfig {
  if (config.vision?.trainedSize === undefined) return config;
  const { trainedSize: imageSize, ...vision } = config.vision;
  return { ...config, vision: { ...vision, imageSize } };
}
