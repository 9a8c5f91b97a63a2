/**
 * `edgeclip/transformers`: three pipelines of transformers.js, in its shapes (@huggingface/transformers 3 and 4, src/pipelines):
 * what a program did with `pipeline(..)` there, it does here.
 */
import '../global-names.ts';
import { readAddress } from '#platform';
import type { Clip } from '../clip.ts';
import type { ImageInput } from '../image/input.ts';
import { show } from '../json.ts';
import { loadClip } from '../load.ts';
import type { LoadOptions } from '../load-options.ts';
import { checkOptions, kindOf, type OptionType } from '../options.ts';

/** Pixels, as transformers.js's `RawImage` has them: gray, RGB or RGBA. */
export interface PipelinePixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels?: number;
}

/** A picture: a path, an address, bytes, a `Blob`, or pixels. */
export type PipelineImage = string | URL | ImageInput | PipelinePixels;

export interface PipelineOptions {
  /** `q8` and `int8` (the default here) or `fp32`. */
  readonly dtype?: 'q8' | 'int8' | 'fp32' | 'auto' | undefined;
  /** `cpu` and `wasm` are what there is. */
  readonly device?: 'cpu' | 'wasm' | 'auto' | undefined;
  /** As in transformers.js: called with `{ status: 'progress', file, loaded, total, progress }`. */
  readonly progress_callback?: ((progress: PipelineProgress) => void) | undefined;
  readonly revision?: string | undefined;
  readonly cache_dir?: string | undefined;
  readonly local_files_only?: boolean | undefined;
  /** Threads that compute, as in `loadClip`. */
  readonly threads?: number | 'auto' | undefined;
}

export interface PipelineProgress {
  readonly status: 'progress';
  readonly name: string;
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
  /** Percent. */
  readonly progress: number;
}

/** A label's score. */
export interface PipelineScore {
  readonly score: number;
  readonly label: string;
}

/** Numbers with a shape, as far as results here need transformers.js's `Tensor`. */
export class Tensor implements Iterable<Tensor | number> {
  readonly type = 'float32';
  readonly data: Float32Array;
  readonly dims: readonly number[];

  constructor(data: Float32Array, dims: readonly number[]) {
    this.data = data;
    this.dims = dims;
  }

  get size(): number {
    return this.data.length;
  }

  /** Nested arrays of numbers. */
  tolist(): unknown[] {
    return Array.from(this, (one) => (one instanceof Tensor ? one.tolist() : one));
  }

  /** Along the first dimension. */
  *[Symbol.iterator](): Iterator<Tensor | number> {
    const [count = 0, ...dims] = this.dims;
    const length = this.data.length / count;
    for (let i = 0; i < count; i++) {
      if (dims.length === 0) yield this.data[i]!;
      else yield new Tensor(this.data.subarray(i * length, (i + 1) * length), dims);
    }
  }
}

interface Disposing {
  /** Releases the model's memory. */
  dispose(): Promise<void>;
}

export interface ZeroShotImageClassification extends Disposing {
  (image: PipelineImage, labels: string[], options?: { hypothesis_template?: string }): Promise<PipelineScore[]>;
  (images: PipelineImage[], labels: string[], options?: { hypothesis_template?: string }): Promise<PipelineScore[][]>;
}

export interface ImageFeatureExtraction extends Disposing {
  /** f32[n, embedDim], not normalized, as CLIP's `image_embeds`. */
  (images: PipelineImage | PipelineImage[]): Promise<Tensor>;
}

export interface FeatureExtraction extends Disposing {
  /** f32[n, embedDim], CLIP's `text_embeds`: of length 1 with `normalize`. */
  (texts: string | string[], options?: { pooling?: 'none'; normalize?: boolean }): Promise<Tensor>;
}

const TASKS = ['zero-shot-image-classification', 'image-feature-extraction', 'feature-extraction'] as const;

export type PipelineTask = (typeof TASKS)[number];

const OPTIONS: Readonly<Record<keyof PipelineOptions, OptionType>> = {
  dtype: 'any',
  device: 'any',
  progress_callback: 'function',
  revision: 'string',
  cache_dir: 'string',
  local_files_only: 'boolean',
  threads: 'any',
};

const PRECISIONS: Readonly<Record<string, 'int8' | 'f32'>> = { auto: 'int8', q8: 'int8', int8: 'int8', fp32: 'f32' };

/** The template of transformers.js. */
const HYPOTHESIS = 'This is a photo of {}';

/**
 * A pipeline of transformers.js on a CLIP model.
 * @param model a model as `loadClip` takes it; `Xenova/clip-vit-..`, which has ONNX files alone, is OpenAI's of that name.
 *   Default: the embedded one
 * @throws RangeError for another task, `dtype` or `device`; and as `loadClip`
 * @example
 * import { pipeline } from 'edgeclip/transformers';
 * const classifier = await pipeline('zero-shot-image-classification');
 * const [best] = await classifier('examples/cat.png', ['cat', 'dog', 'rocket']);
 * best.label; // 'cat'
 * await classifier.dispose();
 */
export function pipeline(
  task: 'zero-shot-image-classification',
  model?: string,
  options?: PipelineOptions,
): Promise<ZeroShotImageClassification>;
export function pipeline(
  task: 'image-feature-extraction',
  model?: string,
  options?: PipelineOptions,
): Promise<ImageFeatureExtraction>;
export function pipeline(
  task: 'feature-extraction',
  model?: string,
  options?: PipelineOptions,
): Promise<FeatureExtraction>;
export async function pipeline(
  task: PipelineTask,
  model?: string,
  options: PipelineOptions = {},
): Promise<ZeroShotImageClassification | ImageFeatureExtraction | FeatureExtraction> {
  checkOptions('pipeline', options, OPTIONS);
  if (!TASKS.includes(task)) throw new RangeError(`pipeline: the task must be ${TASKS.join(', ')}, got ${show(task)}`);
  const load = loadOptions(options, model);
  const clip = await loadClip(model?.replace(/^(?:Xenova|onnx-community)\/(?=clip-vit-)/, 'openai/'), {
    ...load,
    ...(task === 'image-feature-extraction' && { towers: ['image'] }),
    ...(task === 'feature-extraction' && { towers: ['text'] }),
  });
  const dispose = async () => clip.dispose();
  if (task === 'zero-shot-image-classification') {
    return Object.assign(zeroShot(clip) as ZeroShotImageClassification, { dispose });
  }
  const extract = task === 'feature-extraction' ? texts(clip) : images(clip);
  return Object.assign(extract as ImageFeatureExtraction & FeatureExtraction, { dispose });
}

function loadOptions(options: PipelineOptions, model = 'edgeclip'): LoadOptions {
  const {
    dtype = 'auto',
    device = 'auto',
    progress_callback,
    revision,
    cache_dir,
    local_files_only,
    threads,
  } = options;
  const precision = Object.hasOwn(PRECISIONS, dtype) ? PRECISIONS[dtype] : undefined;
  if (!precision) throw new RangeError(`pipeline: dtype must be q8, int8 or fp32, got ${show(dtype)}`);
  if (!['auto', 'cpu', 'wasm'].includes(device)) {
    throw new RangeError(`pipeline: device must be cpu or wasm, got ${show(device)}`);
  }
  return {
    precision,
    threads,
    revision,
    cacheDir: cache_dir,
    localFilesOnly: local_files_only,
    ...(progress_callback && {
      onProgress: ({ file, tower, loaded, total }) =>
        progress_callback({
          status: 'progress',
          name: model,
          file: file ?? `${tower} tower`,
          loaded,
          total: total ?? loaded,
          progress: total ? (100 * loaded) / total : 100,
        }),
    }),
  };
}

/** Label sets whose vectors are kept. */
const KEPT_SETS = 16;

function zeroShot(clip: Clip) {
  const kept = new Map<string, ReturnType<Clip['classifier']>>();
  return async (
    input: PipelineImage | PipelineImage[],
    labels: string[],
    { hypothesis_template = HYPOTHESIS }: { hypothesis_template?: string } = {},
  ) => {
    const key = JSON.stringify([hypothesis_template, labels]);
    const classifying = kept.get(key) ?? clip.classifier(labels, { templates: [hypothesis_template] });
    kept.delete(key);
    kept.set(key, classifying);
    classifying.catch(() => kept.delete(key));
    if (kept.size > KEPT_SETS) kept.delete(kept.keys().next().value!);
    const classifier = await classifying;
    const isList = Array.isArray(input);
    const ranked = await classifier.classify(await Promise.all((isList ? input : [input]).map(opened)));
    const scores = ranked.map((one) => one.map(({ score, label }) => ({ score, label })));
    return isList ? scores : scores[0]!;
  };
}

function images(clip: Clip) {
  return async (input: PipelineImage | PipelineImage[]) => {
    const pictures = await Promise.all((Array.isArray(input) ? input : [input]).map(opened));
    return stacked(await clip.encodeImage(pictures, { normalize: false }), clip.config.embedDim);
  };
}

function texts(clip: Clip) {
  return async (input: string | string[], options: { pooling?: string; normalize?: boolean } = {}) => {
    const { pooling = 'none', normalize = false } = options;
    if (pooling !== 'none') {
      throw new RangeError(
        `feature-extraction: CLIP pools at the end token itself: pooling must be none, got ${show(pooling)}`,
      );
    }
    const list = Array.isArray(input) ? input : [input];
    return stacked(await clip.encodeText(list, { normalize }), clip.config.embedDim);
  };
}

function stacked(embeddings: readonly Float32Array[], width: number): Tensor {
  const data = new Float32Array(embeddings.length * width);
  for (const [i, embedding] of embeddings.entries()) data.set(embedding, i * width);
  return new Tensor(data, [embeddings.length, width]);
}

/** Paths and addresses are read; a `RawImage` is its pixels. */
async function opened(image: PipelineImage): Promise<ImageInput> {
  if (typeof image === 'string') {
    if (/^(?:https?|blob):/i.test(image)) return new URL(image);
    if (/^data:/i.test(image)) return (await fetch(image)) as ImageInput;
    return readAddress(image);
  }
  if (typeof image !== 'object' || image === null) throw new TypeError(`expected a picture, got ${kindOf(image)}`);
  const { data, width, height } = image as PipelinePixels;
  return data !== undefined && width !== undefined ? { data, width, height } : (image as ImageInput);
}
