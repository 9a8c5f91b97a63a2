/** The public names of `edgeclip/worker`: those of `edgeclip` (index.ts), but for `preprocess` and sources of bytes. */
import '../global-names.ts';

export {
  Classifier,
  type ClassifierModel,
  type ClassifierOptions,
  type ClassifyInput,
  type ClassifyOptions,
  type Ranked,
} from '../classifier.ts';
export { Clip } from '../clip.ts';
export type { ClipInfo } from '../clip-info.ts';
export type {
  AnyImageOptions,
  EncodedImage,
  EncodeImageOptions,
  EncodeImagesOptions,
  EncodeOptions,
  EncodeTextOptions,
  ImageItem,
  Progress,
  SettledImageOptions,
} from '../encoding.ts';
export { ClipError, type ClipErrorCode } from '../errors.ts';
export type { ImageInput } from '../image/input.ts';
export type { LoadClipOptions, LoadOptions } from '../load-options.ts';
export { type NearestOptions, type Neighbor, nearest, similarity } from '../similarity.ts';
export { type ClassEntry, type ClassList, type Templates, templateSets } from '../text/prompts.ts';
export type { ModelFiles, Source } from '../weights/source.ts';
export { loadClip } from './load.ts';
