/** The options of `loadClip`, and its two signatures told apart. */

import type { Precision } from './engine/arithmetic.ts';
import { TILE_VARIANTS, type TileVariant } from './engine/autotuning.ts';
import type { Probe } from './engine/engine.ts';
import type { KernelVariant } from './engine/kernels.ts';
import type { HubOptions } from './hub/access.ts';
import { DEFAULT_MAX_PIXELS } from './image/limits.ts';
import { show } from './json.ts';
import type { Tower } from './model/config.ts';
import type { Model } from './open-model.ts';
import { checkOptions, kindOf, type OptionType } from './options.ts';
import type { WasmSources } from './platform/wasm-sources.ts';
import type { LoadProgress } from './weights/load-progress.ts';
import { isSliceable } from './weights/source.ts';

export interface LoadOptions extends HubOptions {
  /** `int8` (default): int8 weights, exact integer sums. `f32`: the published arithmetic, four times the memory. */
  readonly precision?: Precision | undefined;
  /** Which towers to load. Default all that the model has. */
  readonly towers?: readonly Tower[] | undefined;
  /** Which build of the kernels. Default: chosen for this machine; the results are the same. */
  readonly kernels?: KernelVariant | undefined;
  /**
   * Threads that compute together, this one included: a number from 1 to 64, or `auto` for one per processor (at most
   * 8). Default 1. The results are the same. Where threads are not available, one is used, and `info()` gives the reason.
   */
  readonly threads?: number | 'auto' | undefined;
  /**
   * Side of the pictures that the image tower takes, in pixels: less work with a smaller one, more detail with a larger one, at
   * some cost in accuracy the further it is from the size of the training. A multiple of a ViT's patch, of 32 for other towers.
   * Positions are resized as OpenCLIP does it. Default the model's own.
   */
  readonly imageSize?: number | undefined;
  /** Maximum number of pixels of a picture, width times height. Default 100,000,000. */
  readonly maxPixels?: number | undefined;
  /** Unescape HTML entities in texts, as OpenAI's code does. Default true; Hugging Face's tokenizer does not. */
  readonly htmlEntities?: boolean | undefined;
  /** Repair broken Unicode in texts, as OpenAI's code does (ftfy). Default true. */
  readonly repairs?: boolean | undefined;
  /**
   * Kernels and image decoders of your own: compiled modules, bytes or addresses, for hosts on which the package's own cannot
   * be found. Once a load with them has succeeded, they serve the whole process, `preprocess` included.
   */
  readonly wasm?: WasmSources | undefined;
  /** The model's configuration, parsed, for weights that have none beside them: `config.json` or `open_clip_config.json`. */
  readonly config?: object | undefined;
  /** The model's tokenizer, the parsed `tokenizer.json`, if it has none or another one is wanted. */
  readonly tokenizer?: object | undefined;
  /** Stops the loading. */
  readonly signal?: AbortSignal | undefined;
  /** Called while files are fetched and while the weights are loaded. */
  readonly onProgress?: LoadProgress | undefined;
  /** Sees every layer's activations, of all rows. @internal */
  readonly probe?: Probe | undefined;
  /** The variant of the tile, instead of measuring which is faster: for tests. @internal */
  readonly variant?: TileVariant | undefined;
  /** The caller is `edgeclip/image`, which has no text tower to load. @internal */
  readonly imageOnly?: boolean | undefined;
}

/** What `loadClip` takes when everything is in one object. */
export interface LoadClipOptions extends LoadOptions {
  /** The model: as the first argument of the other signature. */
  readonly model?: Model | undefined;
}

const LOAD: Readonly<Record<Exclude<keyof LoadClipOptions, keyof typeof INTERNAL>, OptionType>> = {
  model: 'any',
  precision: 'any',
  towers: 'any',
  kernels: 'any',
  threads: 'any',
  imageSize: 'any',
  maxPixels: 'any',
  htmlEntities: 'boolean',
  repairs: 'boolean',
  signal: 'signal',
  onProgress: 'function',
  wasm: 'any',
  config: 'any',
  tokenizer: 'any',
  revision: 'string',
  accessToken: 'string',
  cacheDir: 'string',
  localFilesOnly: 'boolean',
  fetch: 'function',
};

/** Options for tests and between our own modules: accepted, but no message names them. */
const INTERNAL = { probe: 'function', variant: 'any', imageOnly: 'boolean' } as const satisfies Readonly<
  Record<string, OptionType>
>;

/** Tells the two signatures apart: files have functions, options are a plain object. */
export function loadArguments(
  first: Model | LoadClipOptions | undefined,
  second: LoadOptions | undefined,
): { model: Model | undefined; options: LoadOptions } {
  const isOptions = isPlainObject(first) && !isFiles(first) && !('slice' in first);
  if (isOptions && second !== undefined) {
    throw new TypeError(
      'loadClip: options came twice: use loadClip(model, options) or loadClip({ model, ...options })',
    );
  }
  const given = isOptions ? first : second;
  if (given !== undefined) checkOptions('loadClip', withoutInternal(given), LOAD);
  const { model, ...options } = (isOptions ? first : { ...second, model: first }) as LoadClipOptions;
  if (!isOptions && second && 'model' in second) {
    throw new TypeError(
      'loadClip: the model came twice: use loadClip(model, options) or loadClip({ model, ...options })',
    );
  }
  checkModel(model);
  if (model === undefined) checkEmbedded(options);
  return { model, options };
}

/** What says how a model is found or read; the embedded one has all of it. */
const OF_A_MODEL = ['config', 'tokenizer', 'revision'] as const;

/** @throws TypeError for an option of a model that was not given: most likely it was forgotten */
function checkEmbedded(options: LoadOptions): void {
  const stray = OF_A_MODEL.find((name) => options[name] !== undefined);
  if (stray === undefined) return;
  throw new TypeError(
    `loadClip: ${stray} belongs to a model, and none is given: use loadClip(model, { ${stray} }); the embedded model has its own`,
  );
}

/** Checks the internal options, and returns the others. */
function withoutInternal(options: Model | LoadClipOptions): object {
  if (!isPlainObject(options)) return options as unknown as object; // refused as it is
  const { probe, variant, imageOnly, ...others } = options as LoadClipOptions;
  checkOptions('loadClip', { probe, variant, imageOnly }, INTERNAL);
  return others;
}

/** Whether it is meant as a model's files; that it is all of them is checked where they are read. */
function isFiles(value: object): boolean {
  return 'text' in value || 'source' in value || 'name' in value;
}

function checkModel(model: unknown): void {
  if (typeof model === 'string' && /^file:/i.test(model)) {
    throw new TypeError(`loadClip: the model is a folder, got ${kindOf(model)}: pass its path, fileURLToPath(url)`);
  }
  if (model === undefined || typeof model === 'string') return;
  checkLength(model);
  if (isSliceable(model) || (typeof model === 'object' && model !== null && isFiles(model))) return;
  const isUrl = Object.prototype.toString.call(model) === '[object URL]';
  const advice = isUrl ? ': pass its path (fileURLToPath), or its href in browsers' : '';
  throw new TypeError(
    `loadClip: the model must be a folder, a name, a file (Blob) or ModelFiles ({ name, text, source }), got ${kindOf(model)}${advice}`,
  );
}

/** @throws TypeError for a store of range reads (`slice`) that does not say how long it is */
function checkLength(model: unknown): void {
  if (typeof model !== 'object' || model === null || Array.isArray(model)) return;
  if (!('slice' in model) || 'source' in model || isSliceable(model)) return;
  const { slice, size, byteLength } = model as { slice: unknown; size?: unknown; byteLength?: unknown };
  const got = typeof slice === 'function' ? `size ${show(size ?? byteLength)}` : `slice ${show(slice)}`;
  throw new TypeError(
    `loadClip: a file to be read in parts must have slice(start, end), and its length in bytes as size or byteLength, got ${got}`,
  );
}

/** An object literal, of this realm or another: its prototype is the last one. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

export function checkLoadOptions({
  precision = 'int8',
  towers = ['image'],
  maxPixels = DEFAULT_MAX_PIXELS,
}: LoadOptions): void {
  if (precision !== 'int8' && precision !== 'f32') {
    throw new RangeError(`precision must be "int8" or "f32", got ${show(precision)}`);
  }
  const known = (tower: unknown) => tower === 'image' || tower === 'text';
  if (!Array.isArray(towers) || towers.length === 0 || !towers.every(known) || new Set(towers).size !== towers.length) {
    throw new RangeError(`towers must name "image", "text" or both, got ${show(towers)}`);
  }
  if (!(typeof maxPixels === 'number' && maxPixels > 0)) {
    throw new RangeError(`maxPixels must be a positive number, got ${show(maxPixels)}`);
  }
}

/** @throws RangeError for what is not a variant of the tile */
export function checkVariant(variant: unknown): void {
  if (variant === undefined || TILE_VARIANTS.includes(variant as TileVariant)) return;
  throw new RangeError(`variant must be ${TILE_VARIANTS.join(' or ')}, got ${show(variant)}`);
}
