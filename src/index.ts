export {
  Classifier,
  type ClassifierOptions,
  type ClassifyInput,
  type ClassifyOptions,
  type Ranked,
} from './classifier.ts';
export {
  Clip,
  type ClipInfo,
  type EncodeImageOptions,
  type EncodeOptions,
} from './clip.ts';
export type { Precision } from './engine/arithmetic.ts';
export type { KernelVariant } from './engine/kernels.ts';
export { ClipError, type ClipErrorCode } from './errors.ts';
export type { ImageInput } from './image/decode.ts';
export { type PreprocessedImage, preprocess } from './image/preprocess.ts';
export {
  type PreprocessConfig,
  preprocessConfigFromHuggingFace,
  preprocessConfigFromOpenClip,
} from './image/preprocess-config.ts';
export type { RawPixels } from './image/raw-image.ts';
export { type LoadOptions, loadClip } from './load.ts';
export type { Tower } from './model/config.ts';
export { type Templates, templateSets } from './text/prompts.ts';
export type { ModelFiles } from './weights/model-files.ts';
export { blobSource, bytesSource, type Source } from './weights/source.ts';
