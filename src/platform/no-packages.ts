/** Where optional packages cannot be loaded: their formats are refused with the reason. */
import { ClipError } from '../errors.ts';
import type { Platform } from './platform.ts';

/** @param why e.g. `edgeclip/core loads no packages` */
export const noPackages =
  (why: string): Platform['decoderPackage'] =>
  async (format) => {
    const name = format.toUpperCase();
    throw new ClipError('IMAGE_DECODER', `${name} needs a package of its own, and ${why}: convert the picture to JPEG, or decode it and pass { data, width, height }`); // biome-ignore format: one line
  };

/** And by no worker. */
export const decoderAddress = (): undefined => undefined;
