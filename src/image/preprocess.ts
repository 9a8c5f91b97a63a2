/** From a picture to the pixels that a tower takes: decoded, resized, cropped. */
import { checkOptions, type OptionType } from '../options.ts';
import { yieldIfDue } from '../scheduler.ts';
import { cropImage } from './crop.ts';
import { type DecodeOptions, type ImageInput, takeImage } from './decode.ts';
import { checkedPreprocessConfig, type PreprocessConfig } from './preprocess-config.ts';

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
 * @throws ClipError IMAGE_FORMAT, IMAGE_TRUNCATED, IMAGE_TOO_LARGE, IMAGE_DECODER for the picture; IO if it, or a decoder, cannot be read;
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
  const { size } = config;
  return cropImage(taken, options, config, (write) => {
    const data = new Uint8Array(size * size * 3);
    write(data);
    return { data, width: size, height: size };
  });
}

const PREPROCESS: Readonly<Record<keyof DecodeOptions, OptionType>> = {
  orient: 'boolean',
  scaled: 'boolean',
  maxPixels: 'number',
  maxBytes: 'number',
  signal: 'signal',
};
