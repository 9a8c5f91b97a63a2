/** How a model wants its images, read from the files that models come with. */
import { ClipError } from '../errors.ts';
import { Fields, type Neutral } from '../fields.ts';
import { deepFreeze } from '../freeze.ts';
import { isObject, show } from '../json.ts';
import type { CropRounding } from './geometry.ts';
import type { Interpolation } from './taps.ts';

/** One number for each channel: R, G, B. */
export type Channels = readonly [number, number, number];

/** How a model wants its images. */
export interface PreprocessConfig {
  /** Side of the square crop, in pixels, 1 to 4096; the short edge is resized to it. */
  readonly size: number;
  /** Mean of each channel, of values 0..1; from 0 to 1. */
  readonly mean: Channels;
  /** Standard deviation of each channel, of values 0..1; from 0.001 to 1000. */
  readonly std: Channels;
  /** How the corner of the crop is rounded where it falls between two pixels. */
  readonly crop: CropRounding;
  /**
   * `shortest`: the short edge is resized to `size` and a centered square cut out. `squash`: both sides are resized to `size`, whatever
   * the picture's shape, as OpenCLIP's `resize_mode: squash` does for some models (DFN5B at 378 pixels).
   */
  readonly resize: 'shortest' | 'squash';
  /** Pillow's filter; both are widened when a picture is made smaller. CLIPA and MobileCLIP have `bilinear`. */
  readonly interpolation: Interpolation;
}

/** OPENAI_DATASET_MEAN and OPENAI_DATASET_STD: CLIP's training images, the default of both published loaders. */
const CLIP_MEAN: Channels = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: Channels = [0.26862954, 0.26130258, 0.27577711];

/** The largest crop that is accepted, in pixels: far above every published CLIP. */
const MAX_SIZE = 4096;

/**
 * Bounds of the standard deviation. A quarter of one step of 8 bits (1/255): images that vary less are all one color, and
 * much smaller values make (pixel - mean) / std overflow. The upper one keeps what is folded into the weights in range.
 */
const STD = { min: 1e-3, max: 1e3 };

/** Pillow's numbers of its filters (Resampling.BILINEAR and BICUBIC). */
const PILLOW_FILTERS = new Map<unknown, Interpolation>([
  [2, 'bilinear'],
  [3, 'bicubic'],
]);

/** transformers' classes that compute what CLIPImageProcessor does: its older name, and its names by backend. */
const CLIP_PROCESSORS = [
  'CLIPImageProcessor',
  'CLIPImageProcessorFast',
  'CLIPImageProcessorPil',
  'CLIPFeatureExtractor',
];

/** Settings that do not change the numbers: bookkeeping, and the form of input and output. */
const NEUTRAL: Neutral = {
  feature_extractor_type: 'any',
  processor_class: 'any',
  _processor_class: 'any',
  _valid_processor_keys: 'any',
  _valid_kwargs_names: 'any',
  transformers_version: 'any',
  data_format: 'any',
  input_data_format: 'any',
  return_tensors: 'any',
  device: 'any',
  disable_grouping: 'any',
  image_seq_length: 'any',
  // Decoded images always become RGB.
  do_convert_rgb: 'any',
  // Read where it matters: for a size that is a bare number.
  default_to_square: 'any',
};

/**
 * From the settings of a `CLIPImageProcessor` (or the older `CLIPFeatureExtractor`): the content of
 * `preprocessor_config.json`, or of `processor_config.json`, where they are under `image_processor`. Fields that are
 * left out have that class's defaults. The crop is rounded down, as Hugging Face does.
 *
 * @param json the parsed file
 * @param where what error messages call it
 * @throws ClipError CONFIG that names the field and what it must be, also for a field that is not known
 * @example
 * const config = preprocessConfigFromHuggingFace(JSON.parse(await readFile('preprocessor_config.json', 'utf8')));
 */
export function preprocessConfigFromHuggingFace(json: unknown, where = 'preprocessor_config.json'): PreprocessConfig {
  const outer = new Fields(record(json, where), `${where}: `);
  const fields = outer.has('image_processor') ? outer.object('image_processor') : outer;
  checkProcessor(fields);
  for (const name of ['do_resize', 'do_center_crop', 'do_rescale', 'do_normalize']) fields.only(name, true);
  const resample = fields.value('resample') ?? 3;
  const interpolation =
    PILLOW_FILTERS.get(resample) ?? fields.fail('resample', '2 (bilinear) or 3 (bicubic)', resample);
  const crop = cropSide(fields);
  // transformers makes a square of a bare number where default_to_square is true.
  if (typeof fields.value('size') === 'number') fields.only('default_to_square', false);
  const size = shortestEdge(fields);
  if (size !== crop) fields.fail('size', `the same as crop_size, ${crop}`, fields.value('size'));
  const factor = fields.value('rescale_factor') ?? 1 / 255;
  if (typeof factor !== 'number' || !(Math.abs(factor * 255 - 1) <= 1e-6))
    fields.fail('rescale_factor', '1/255', factor);
  const mean = channels(fields.value('image_mean') ?? CLIP_MEAN);
  const std = channels(fields.value('image_std') ?? CLIP_STD);
  fields.refuseUnread(NEUTRAL, { falseIsOff: true });
  return frozen({ size, mean, std, crop: 'floor', resize: 'shortest', interpolation }, where);
}

/** `CLIPImageProcessor` as it is made without settings, for another size. */
export function clipDefaults(size: number): PreprocessConfig {
  return preprocessConfigFromHuggingFace({ size, crop_size: size });
}

/** Settings of OpenCLIP's `preprocess_cfg` that do not change the numbers: `fill_color` is for the padding of "longest". */
const OPENCLIP_NEUTRAL: Neutral = { fill_color: 'any' };

/**
 * From OpenCLIP's settings: the whole content of `open_clip_config.json`, whose `preprocess_cfg` is read with
 * `model_cfg.vision_cfg.image_size`, or a `preprocess_cfg` alone. Fields that are left out have OpenCLIP's defaults. The
 * crop is rounded half to even, as torchvision does.
 *
 * @param json the parsed file, or its `preprocess_cfg`
 * @param imageSize side of the crop in pixels if `json` does not say it. Default 224
 * @throws ClipError CONFIG that names the field and what it must be, also for a field that is not known
 * @example
 * const config = preprocessConfigFromOpenClip(JSON.parse(await readFile('open_clip_config.json', 'utf8')));
 */
export function preprocessConfigFromOpenClip(json: unknown, imageSize?: unknown): PreprocessConfig {
  const isFile = isObject(json) && ('preprocess_cfg' in json || 'model_cfg' in json);
  if (!isFile) return fromPreprocessCfg(json, imageSize);
  const vision = isObject(json.model_cfg) && isObject(json.model_cfg.vision_cfg) ? json.model_cfg.vision_cfg : {};
  const modelSize = vision.image_size ?? undefined;
  const config = fromPreprocessCfg(json.preprocess_cfg, modelSize ?? imageSize);
  const side = modelSize === undefined ? config.size : squareSide(modelSize, 'model_cfg.vision_cfg', 'image_size');
  if (config.size === side) return config;
  throw unsupported('preprocess_cfg', 'size', config.size, `the same as model_cfg.vision_cfg.image_size, ${side}`);
}

function fromPreprocessCfg(preprocessCfg: unknown, imageSize: unknown): PreprocessConfig {
  const where = 'preprocess_cfg';
  const fields = new Fields(record(preprocessCfg ?? {}, where), `${where}.`);
  const check = (name: string, only: string) => {
    const value = fields.value(name) ?? only;
    if (value !== only) throw unsupported(where, name, value, show(only));
  };
  const resize = fields.oneOf('resize_mode', ['shortest', 'squash'], 'shortest');
  const interpolation = fields.oneOf('interpolation', ['bicubic', 'bilinear'], 'bicubic');
  check('mode', 'RGB');
  const size = squareSide(fields.value('size') ?? imageSize ?? 224, where, 'size');
  const mean = channels(fields.value('mean') ?? CLIP_MEAN);
  const std = channels(fields.value('std') ?? CLIP_STD);
  fields.refuseUnread(OPENCLIP_NEUTRAL, { falseIsOff: false });
  return frozen({ size, mean, std, crop: 'half-even', resize, interpolation }, where);
}

/** A checked copy that nobody can change: the caller's lists may change, and the defaults are shared. */
function frozen(config: PreprocessConfig, where: string): PreprocessConfig {
  const { mean, std } = checkedPreprocessConfig(config, where);
  return deepFreeze({ ...config, mean: [...mean] as const, std: [...std] as const });
}

/** Returns `config` if all its fields can be used. @throws ClipError CONFIG that names the first that cannot */
export function checkedPreprocessConfig(config: PreprocessConfig, where = 'preprocess config'): PreprocessConfig {
  const { size, mean, std, crop, resize, interpolation } = record(config, where) as unknown as PreprocessConfig;
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    throw unsupported(where, 'size', size, `a whole number from 1 to ${MAX_SIZE}`);
  }
  if (!isThree(mean, 0, 1)) throw unsupported(where, 'mean', mean, 'three numbers from 0 to 1');
  if (!isThree(std, STD.min, STD.max)) {
    throw unsupported(where, 'std', std, `three numbers from ${STD.min} to ${STD.max}`);
  }
  if (crop !== 'half-even' && crop !== 'floor') throw unsupported(where, 'crop', crop, '"half-even" or "floor"');
  if (resize !== 'shortest' && resize !== 'squash')
    throw unsupported(where, 'resize', resize, '"shortest" or "squash"');
  if (interpolation !== 'bicubic' && interpolation !== 'bilinear') {
    throw unsupported(where, 'interpolation', interpolation, '"bicubic" or "bilinear"');
  }
  return config;
}

function isThree(values: unknown, min: number, max: number): boolean {
  // Array.from, as every() skips the holes of a list.
  const inRange = (value: unknown) => typeof value === 'number' && value >= min && value <= max;
  return Array.isArray(values) && values.length === 3 && Array.from(values).every(inRange);
}

/** Processors of other models read the same settings and do something else. */
function checkProcessor(fields: Fields): void {
  // Where both names are written, the older one is a leftover.
  const key = fields.has('image_processor_type') ? 'image_processor_type' : 'feature_extractor_type';
  const name = fields.value(key);
  if (name === undefined || CLIP_PROCESSORS.includes(name as string)) return;
  fields.fail(key, `"${CLIP_PROCESSORS[0]}", the one that is supported`, name);
}

/** One number stands for all channels. */
function channels(values: unknown): Channels {
  return (typeof values === 'number' ? [values, values, values] : values) as Channels;
}

/** `size` of CLIPImageProcessor: a number or { shortest_edge }, default 224. */
function shortestEdge(fields: Fields): number {
  const size = fields.value('size') ?? 224;
  if (typeof size === 'number') return size;
  const { shortest_edge: edge, ...others } = isObject(size) ? size : {};
  if (typeof edge === 'number' && Object.values(others).every((value) => value === null)) return edge;
  return fields.fail('size', 'a number or { "shortest_edge": number }', size);
}

/** `crop_size` of CLIPImageProcessor: a number, [height, width] or { height, width }, default 224. */
function cropSide(fields: Fields): number {
  const crop = fields.value('crop_size') ?? 224;
  if (typeof crop === 'number') return crop;
  const [height, width, ...others] = Array.isArray(crop) ? crop : isObject(crop) ? [crop.height, crop.width] : [];
  if (typeof height === 'number' && height === width && others.length === 0) return height;
  return fields.fail('crop_size', 'one number, or the same height and width', crop);
}

/** A side, or [height, width]. */
function squareSide(size: unknown, where: string, name: string): number {
  const [height, width, ...others] = Array.isArray(size) ? size : [size, size];
  if (typeof height !== 'number' || height !== width || others.length > 0) {
    throw unsupported(where, name, size, 'one number, or the same number twice');
  }
  return height;
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (!isObject(value)) throw new ClipError('CONFIG', `${where}: expected an object, got ${show(value)}`);
  return value;
}

function unsupported(where: string, name: string, got: unknown, needed: string): ClipError {
  return new ClipError('CONFIG', `${where}: ${name} must be ${needed}, got ${show(got)}`);
}
