/** From a picture to its crop: decoded, resized, cropped. */
import { type DecodeOptions, decodeWith, type ImageInput, type TakenImage } from './decode.ts';
import { cropGeometry } from './geometry.ts';
import { turnOf } from './orientation.ts';
import type { PreprocessConfig } from './preprocess-config.ts';
import type { RawImage } from './raw-image.ts';
import { Crop, takePixels } from './resample.ts';
import { type Workspace, withWorkspace } from './workspace.ts';

/**
 * Decodes, resizes and crops a picture; `use` gets what writes the crop, u8[size, size, 3], to where it is wanted.
 * @returns what `use` returns
 * @throws as {@link decodeWith}, and what `use` throws
 */
export function cropImage<T>(
  input: ImageInput | TakenImage,
  options: DecodeOptions,
  config: PreprocessConfig,
  use: (write: (out: Uint8Array) => void) => T,
): Promise<T> {
  return withWorkspace((workspace) =>
    decodeWith(input, options, (image, orientation) => {
      const crop = cropPixels(workspace, image, config, orientation);
      return use((out) => crop.write(out));
    }),
  );
}

function cropPixels(workspace: Workspace, image: RawImage, config: PreprocessConfig, orientation: number): Crop {
  const { width, height } = image;
  const [across, down] = turnOf(orientation).swap ? [height, width] : [width, height];
  const geometry = cropGeometry(across, down, config.size, config.crop);
  const crop = new Crop(workspace, { ...image, planar: false }, geometry, orientation);
  takePixels(workspace, crop, image);
  return crop;
}
