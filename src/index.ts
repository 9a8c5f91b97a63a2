/** The package's public names. */
import './global-names.ts';

export type { ByteStream } from './byte-reader.ts';
export {
  Classifier,
  type ClassifierModel,
  type ClassifierOptions,
  type ClassifyInput,
  type ClassifyOptions,
  type Ranked,
} from './classifier.ts';
export { Clip } from './clip.ts';
export type { ClipInfo } from './clip-info.ts';
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
} from './encoding.ts';
export type { Precision } from './engine/arithmetic.ts';
export type { KernelVariant } from './engine/kernels.ts';
export { ClipError, type ClipErrorCode } from './errors.ts';
export type { ImageInput } from './image/input.ts';
export { type PreprocessedImage, preprocess } from './image/preprocess.ts';
export {
  type PreprocessConfig,
  preprocessConfigFromHuggingFace,
  preprocessConfigFromOpenClip,
} from './image/preprocess-config.ts';
export type { RawPixels } from './image/raw-image.ts';
export { loadClip } from './load.ts';
export type { LoadClipOptions, LoadOptions } from './load-options.ts';
export type { Tower } from './model/config.ts';
export type { WasmSource, WasmSources } from './platform/wasm-sources.ts';
export type { ThreadInfo } from './session.ts';
export { type NearestOptions, type Neighbor, nearest, similarity } from './similarity.ts';
export { type ClassEntry, type ClassList, type Templates, templateSets } from './text/prompts.ts';
export type { TokenIds } from './text/token-ids.ts';
export { type Fetch, type FetchedResponse, fetchedFiles } from './weights/fetched-files.ts';
export type { ModelFiles } from './weights/source.ts';
export { blobSource, bytesSource, type Source } from './weights/source.ts';
export { type OpenStream, streamSource } from './weights/stream-source.ts';
