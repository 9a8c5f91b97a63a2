/** How a model wants its pictures, read from the files that models come with. */
import { ClipError } from '../errors.ts';
import type { CropRounding } from './geometry.ts';

/** One number a channel: R, G, B. */
export type Channels = readonly [number, number, number];

/** How a model wants its pictures. */
export interface PreprocessConfig {
  /** Side of the square crop, in pixels, 1 to 4096; the short edge is resized to it. */
  readonly size: number;
  /** Mean of each channel, of values 0..1. */
  readonly mean: Channels;
  /** Standard deviation of each channel, of values 0..1. */
  readonly std: Channels;
  /** How the crop's corner is rounded where it falls between two pixels. */
  readonly crop: CropRounding;
  /** `shortest`: the short edge is resized to `size` and a centred square cut out. */
  readonly resize: 'shortest';
  readonly interpolation: 'bicubic';
}

/** Mean and deviation of CLIP's training pictures (OPENAI_DATASET_MEAN and _STD), the default of both published loaders. */
const CLIP_MEAN: Channels = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: Channels = [0.26862954, 0.26130258, 0.27577711];

/** The largest crop that is accepted, in pixels: far beyond every published CLIP. */
const MAX_SIZE = 4096;

/** Pillow's number of the bicubic filter (Resampling.BICUBIC). */
const PILLOW_BICUBIC = 3;

/**
 * From the content of a `preprocessor_config.json` for `CLIPImageProcessor` (or the older `CLIPFeatureExtractor`); fields
 * that it leaves out have that class's defaults. The crop is rounded down, as Hugging Face does.
 * @throws ClipError CONFIG that names the field and what it would need to be
 */
export function preprocessConfigFromHuggingFace(json: unknown): PreprocessConfig {
  const where = 'preprocessor_config.json';
  const fields = record(json, where);
  for (const name of ['do_resize', 'do_center_crop', 'do_rescale', 'do_normalize']) {
    if ((fields[name] ?? true) !== true) throw unsupported(where, name, fields[name], 'true');
  }
  const crop = huggingFaceCrop(fields.crop_size ?? 224, where);
  const size = huggingFaceSize(fields.size ?? crop, where);
  if (size !== crop) throw unsupported(where, 'size', fields.size, `the same as crop_size, ${crop}`);
  const resample = fields.resample ?? PILLOW_BICUBIC;
  if (resample !== PILLOW_BICUBIC) throw unsupported(where, 'resample', resample, '3 (bicubic)');
  const factor = fields.rescale_factor ?? 1 / 255;
  if (typeof factor !== 'number' || Math.abs(factor * 255 - 1) > 1e-6) {
    throw unsupported(where, 'rescale_factor', factor, '1/255');
  }
  return checkedPreprocessConfig(
    {
      size,
      mean: (fields.image_mean ?? CLIP_MEAN) as Channels,
      std: (fields.image_std ?? CLIP_STD) as Channels,
      crop: 'floor',
      resize: 'shortest',
      interpolation: 'bicubic',
    },
    where,
  );
}

/**
 * From OpenCLIP's `open_clip_config.json`: its `preprocess_cfg` (may be absent) and its `model_cfg.vision_cfg.image_size`.
 * The crop is rounded half to even, as torchvision does.
 * @throws ClipError CONFIG that names the field and what it would need to be
 */
export function preprocessConfigFromOpenClip(preprocessCfg: unknown, imageSize?: unknown): PreprocessConfig {
  const where = 'preprocess_cfg';
  const fields = record(preprocessCfg ?? {}, where);
  const mode = fields.resize_mode ?? 'shortest';
  if (mode !== 'shortest') throw unsupported(where, 'resize_mode', mode, '"shortest"');
  const interpolation = fields.interpolation ?? 'bicubic';
  if (interpolation !== 'bicubic') throw unsupported(where, 'interpolation', interpolation, '"bicubic"');
  if ((fields.mode ?? 'RGB') !== 'RGB') throw unsupported(where, 'mode', fields.mode, '"RGB"');
  return checkedPreprocessConfig(
    {
      size: squareSide(fields.size ?? imageSize ?? 224, where, 'size'),
      mean: (fields.mean ?? CLIP_MEAN) as Channels,
      std: (fields.std ?? CLIP_STD) as Channels,
      crop: 'half-even',
      resize: 'shortest',
      interpolation: 'bicubic',
    },
    where,
  );
}

/** Returns `config` if all its fields can be used. @throws ClipError CONFIG that names the first that cannot */
export function checkedPreprocessConfig(config: PreprocessConfig, where = 'preprocess config'): PreprocessConfig {
  const { size, mean, std, crop, resize, interpolation } = record(config, where) as unknown as PreprocessConfig;
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    throw unsupported(where, 'size', size, `a whole number from 1 to ${MAX_SIZE}`);
  }
  for (const [name, values] of Object.entries({ mean, std })) {
    if (!Array.isArray(values) || values.length !== 3 || !values.every(Number.isFinite)) {
      throw unsupported(where, name, values, 'three numbers');
    }
  }
  if (std.some((value) => value <= 0)) throw unsupported(where, 'std', std, 'three positive numbers');
  if (crop !== 'half-even' && crop !== 'floor') throw unsupported(where, 'crop', crop, '"half-even" or "floor"');
  if (resize !== 'shortest') throw unsupported(where, 'resize', resize, '"shortest"');
  if (interpolation !== 'bicubic') throw unsupported(where, 'interpolation', interpolation, '"bicubic"');
  return config;
}

/** `size` of CLIPImageProcessor: a number or { shortest_edge }. */
function huggingFaceSize(size: unknown, where: string): number {
  if (typeof size === 'number') return size;
  const edge = record(size, `${where}, size`).shortest_edge;
  if (typeof edge !== 'number') throw unsupported(where, 'size', size, 'a number or { "shortest_edge": number }');
  return edge;
}

/** `crop_size` of CLIPImageProcessor: a number or { height, width }. */
function huggingFaceCrop(crop: unknown, where: string): number {
  if (typeof crop === 'number') return crop;
  const { height, width } = record(crop, `${where}, crop_size`);
  return squareSide([height, width], where, 'crop_size');
}

/** OpenCLIP writes a side, or [height, width]. */
function squareSide(size: unknown, where: string, name: string): number {
  const [height, width] = Array.isArray(size) ? size : [size, size];
  if (typeof height !== 'number' || height !== width)
    throw unsupported(where, name, size, 'one number, or twice the same');
  return height;
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ClipError('CONFIG', `${where}: expected an object, found ${JSON.stringify(value)}`);
  }
  return value as Record<string, unknown>;
}

function unsupported(where: string, name: string, found: unknown, needed: string): ClipError {
  return new ClipError('CONFIG', `${where}: ${name} must be ${needed}, found ${JSON.stringify(found)}`);
}
