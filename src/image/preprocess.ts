/** From a picture to the pixels that a tower takes: decoded, resized, cropped. */
import type { Kernels } from '../engine/calls.ts';
import { compiledKernels } from '../engine/compiled.ts';
import { instantiateKernels } from '../engine/kernels.ts';
import { ClipError } from '../errors.ts';
import { checkOptions, type OptionType } from '../options.ts';
import { yieldIfDue } from '../scheduler.ts';
import { type DecodeOptions, decodeWith, type ImageInput, takeImage } from './decode.ts';
import { cropGeometry } from './geometry.ts';
import { checkedPreprocessConfig, type PreprocessConfig } from './preprocess-config.ts';
import type { RawImage } from './raw-image.ts';
import { cropBytes, resampleCrop } from './resample.ts';

/** The pixels that a tower takes: u8[height, width, 3], RGB, rows from top to bottom. */
export interface PreprocessedImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * Decodes, resizes and crops a picture: byte for byte what the published Python code makes with Pillow 13. Mean and standard
 * deviation are not applied. Bytes and pixels are copied at the call, so they may change afterwards.
 *
 * @param image a JPEG, PNG or WebP file in any of the accepted kinds, or pixels
 * @param config how the model expects it, e.g. from {@link preprocessConfigFromHuggingFace}
 * @param options `orient` (default false), `maxPixels` (default 100,000,000), `maxBytes` (default 128 MiB) and `signal`
 * @returns RGB bytes of `config.size` x `config.size` pixels
 * @throws ClipError IMAGE_FORMAT, IMAGE_TRUNCATED, IMAGE_TOO_LARGE for the picture; IO if it, or a decoder, cannot be read;
 *   UNSUPPORTED if a decoder cannot start or memory is short; CONFIG; TypeError or RangeError for a wrong argument
 * @example
 * const { data, width, height } = await preprocess(await readFile('cat.jpg'), clip.preprocess);
 */
export async function preprocess(
  image: ImageInput,
  config: PreprocessConfig,
  options: DecodeOptions = {},
): Promise<PreprocessedImage> {
  checkOptions('preprocess', options, PREPROCESS);
  checkedPreprocessConfig(config);
  const taken = takeImage(image, options.maxBytes);
  await yieldIfDue(options.signal);
  const module = await compiledKernels('simd'); // the resize has no relaxed instructions
  return decodeWith(taken, options, (raw) => crop(module, raw, config));
}

const PREPROCESS: Readonly<Record<keyof DecodeOptions, OptionType>> = {
  orient: 'boolean',
  maxPixels: 'number',
  maxBytes: 'number',
  signal: 'signal',
};

const PAGE = 65_536;
/** The kernels' own memory, a few hundred kB: created when first needed, replaced when a picture needs more. */
let workspace: { readonly memory: WebAssembly.Memory; readonly kernels: Kernels } | undefined;

/** @throws ClipError UNSUPPORTED if there is not enough memory */
function createWorkspace(module: WebAssembly.Module, pages: number): NonNullable<typeof workspace> {
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return { memory, kernels: instantiateKernels(module, memory) };
  } catch (cause) {
    const message = `not enough memory to resize the image: ${(cause as Error).message}`;
    throw new ClipError('UNSUPPORTED', message, { cause });
  }
}

function crop(module: WebAssembly.Module, raw: RawImage, config: PreprocessConfig): PreprocessedImage {
  const { size } = config;
  const geometry = cropGeometry(raw.width, raw.height, size, config.crop);
  const scratch = cropBytes(raw, geometry);
  const pages = Math.ceil((scratch + size * size * 3) / PAGE);
  if (!workspace || workspace.memory.buffer.byteLength < pages * PAGE) {
    workspace = undefined; // so that its memory can be freed first
    workspace = createWorkspace(module, pages);
  }
  const { kernels, memory } = workspace;
  resampleCrop(kernels, memory, 0, raw, geometry, scratch);
  return { data: new Uint8Array(memory.buffer, scratch, size * size * 3).slice(), width: size, height: size };
}
