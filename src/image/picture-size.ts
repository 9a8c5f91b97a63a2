/** A picture's size in pixels, from its header alone. */
import { decodeRows } from './decode.ts';
import { sniffFormat } from './format.ts';
import { takeImage } from './input.ts';
import { checkSize, type ImageLimits, imageLimits } from './limits.ts';
import { readWebpHeader } from './webp.ts';
import { withWorkspace } from './workspace.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Ends the decoding once the size is known. */
class Found extends Error {
  readonly size: PictureSize;

  constructor(size: PictureSize) {
    super('the size is known');
    this.size = size;
  }
}

/**
 * The size as stored, before any orientation. A WebP is not checked beyond its header.
 * @throws ClipError as `decodeImage`
 */
export async function pictureSize(bytes: Uint8Array, limits: Partial<ImageLimits> = {}): Promise<PictureSize> {
  if ((await sniffFormat(bytes)) === 'webp') {
    const { width, height } = readWebpHeader(bytes);
    checkSize('WebP', width, height, imageLimits(limits));
    return { width, height };
  }
  try {
    await withWorkspace((workspace) =>
      decodeRows(workspace, takeImage(bytes), limits, ({ width, height }) => {
        throw new Found({ width, height });
      }),
    );
  } catch (error) {
    if (error instanceof Found) return error.size;
    throw error;
  }
  throw new TypeError('a picture without rows');
}
