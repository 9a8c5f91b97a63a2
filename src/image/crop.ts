/** From a picture to its crop: decoded, resized, cropped. */
import { type DecodeOptions, decodeRows, type TakenImage } from './decode.ts';
import { cropGeometry, squashGeometry } from './geometry.ts';
import { turnOf } from './orientation.ts';
import type { PreprocessConfig } from './preprocess-config.ts';
import { Crop } from './resample.ts';
import { withWorkspace } from './workspace.ts';

/**
 * Decodes, resizes and crops a picture; `use` gets what writes the crop, u8[size, size, 3], to where it is wanted.
 * @returns what `use` returns
 * @throws as {@link decodeRows}, and what `use` throws
 */
export function cropImage<T>(
  taken: TakenImage,
  options: DecodeOptions,
  config: PreprocessConfig,
  use: (write: (out: Uint8Array) => void) => T,
): Promise<T> {
  return withWorkspace(async (workspace) => {
    let crop: Crop | undefined;
    const reduceTo = options.scaled === true ? config.size : undefined;
    await decodeRows(workspace, taken, { ...options, reduceTo }, (format, orientation) => {
      const { width, height } = format;
      const [across, down] = turnOf(orientation).swap ? [height, width] : [width, height];
      const { size } = config;
      const geometry =
        config.resize === 'squash' ? squashGeometry(size) : cropGeometry(across, down, size, config.crop);
      crop = new Crop(workspace, format, geometry, orientation, config.interpolation);
      return crop;
    });
    return use((out) => (crop as Crop).write(out));
  });
}
