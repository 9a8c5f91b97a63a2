/** The picture a tower sees: decoded, resized, cropped. */

import type { Kernels } from '../engine/calls.ts';
import { compiledKernels } from '../engine/compiled.ts';
import { instantiateKernels } from '../engine/kernels.ts';
import { type DecodeOptions, decodeWith, type ImageInput } from './decode.ts';
import { cropGeometry } from './geometry.ts';
import { checkedPreprocessConfig, type PreprocessConfig } from './preprocess-config.ts';
import type { RawImage } from './raw-image.ts';
import { cropBytes, resampleCrop } from './resample.ts';

/** The exact crop a tower sees: `width * height * 3` bytes, RGB, rows from top to bottom. */
export interface PreprocessedImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * Decodes, resizes and crops a picture: byte for byte what the published Python code makes with Pillow. Mean and standard
 * deviation are not applied.
 *
 * @param image bytes of a JPEG, PNG or WebP file, or pixels
 * @param config how the model wants it, e.g. from {@link preprocessConfigFromHuggingFace}
 * @param options `orient` (default false), `maxPixels` (default 100,000,000) and `maxBytes` (default 128 MiB)
 * @returns RGB bytes of `config.size` x `config.size` pixels
 * @throws ClipError IMAGE_FORMAT, IMAGE_TRUNCATED, IMAGE_TOO_LARGE or CONFIG; TypeError or RangeError for wrong raw pixels
 */
export async function preprocess(
  image: ImageInput,
  config: PreprocessConfig,
  options: DecodeOptions = {},
): Promise<PreprocessedImage> {
  checkedPreprocessConfig(config);
  const module = await compiledKernels('simd'); // the resize has no relaxed instructions
  return decodeWith(image, options, (raw) => crop(module, raw, config));
}

const PAGE = 65_536;
/** The kernels' own little memory, a few hundred kB: made when first needed, replaced when a picture needs more. */
let workspace: { readonly memory: WebAssembly.Memory; readonly kernels: Kernels } | undefined;

function crop(module: WebAssembly.Module, raw: RawImage, config: PreprocessConfig): PreprocessedImage {
  const { size } = config;
  const geometry = cropGeometry(raw.width, raw.height, size, config.crop);
  const scratch = cropBytes(raw, geometry);
  const pages = Math.ceil((scratch + size * size * 3) / PAGE);
  if (!workspace || workspace.memory.buffer.byteLength < pages * PAGE) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    workspace = { memory, kernels: instantiateKernels(module, memory) };
  }
  const { kernels, memory } = workspace;
  resampleCrop(kernels, memory, 0, raw, geometry, scratch);
  return { data: new Uint8Array(memory.buffer, scratch, size * size * 3).slice(), width: size, height: size };
}
