/** How the pictures of an index are prepared, compared with how others would be. */
import { ClipError } from '../errors.ts';
import type { PictureOptions } from './photo-store.ts';

/** @throws ClipError INDEX_MODEL if pictures prepared in these two ways would be in one index */
export function checkPictures(index: string, made: PictureOptions, wanted: PictureOptions): void {
  const words = ({ orient, scaled, imageSize }: PictureOptions) =>
    [orient && '--orient', scaled && '--scaled', imageSize !== undefined && `--image-size ${imageSize}`]
      .filter((word) => word)
      .join(' ') || 'no options for pictures';
  const [was, is] = [words(made), words(wanted)];
  if (was === is) return;
  throw new ClipError('INDEX_MODEL', `${index} was made with ${was}, which cannot be mixed with ${is}`);
}
