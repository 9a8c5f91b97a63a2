/** Zero-shot classification: label embeddings, made once, against a picture's. */

import type { Clip, EncodeImageOptions } from './clip.ts';
import type { Kernels } from './engine/calls.ts';
import { compiledKernels } from './engine/compiled.ts';
import { CONSTANTS_BYTES } from './engine/contract.ts';
import { instantiateKernels, type Pointer } from './engine/kernels.ts';
import { MemoryPlan } from './engine/memory.ts';
import { roundUp } from './engine/numerics.ts';
import { ClipError } from './errors.ts';
import type { ImageInput } from './image/decode.ts';
import { checkLabels, fillTemplate, resolveTemplates, type Templates } from './text/prompts.ts';
import { parseSafetensorsHeader, writeSafetensors } from './weights/safetensors.ts';

export interface ClassifierOptions {
  /** A named set (`single`, the default; `openai-7`; `openai-80`), one template, or a list; `{}` or `{label}` is the place. */
  templates?: Templates;
  signal?: AbortSignal;
  /** Prompts that are embedded, of how many. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface ClassifyOptions extends Pick<EncodeImageOptions, 'signal' | 'orient' | 'maxBytes' | 'maxPixels'> {
  /** How many labels to return, best first. Default all. */
  topK?: number;
}

/** A label's rank for a picture. */
export interface Ranked {
  readonly label: string;
  /** Position in the list of labels: equal labels differ here. */
  readonly index: number;
  /** softmax(logit scale * similarity) over all labels. */
  readonly score: number;
  /** Cosine of the two embeddings. */
  readonly similarity: number;
}

const FORMAT = 'edgeclip-classifier';
const VERSION = '1';

/** What a picture may be: an image for the model's tower, or an embedding of it. */
export type ClassifyInput = ImageInput | Float32Array;

export class Classifier {
  readonly labels: readonly string[];
  /** exp of the model's logit scale. */
  readonly logitScale: number;
  readonly embedDim: number;
  /** Unit vectors, one a label: f32 [labels, embedDim]. */
  readonly #embeddings: Float32Array;
  readonly #clip: Clip | undefined;
  #ranking: Promise<Ranking> | undefined;

  private constructor(labels: readonly string[], embeddings: Float32Array, logitScale: number, clip?: Clip) {
    this.labels = labels;
    this.logitScale = logitScale;
    this.embedDim = embeddings.length / labels.length;
    this.#embeddings = embeddings;
    this.#clip = clip;
  }

  /** See `Clip.classifier`. @internal */
  static async fromLabels(clip: Clip, labels: readonly string[], options: ClassifierOptions): Promise<Classifier> {
    const names = checkLabels(labels);
    const templates = resolveTemplates(options.templates ?? 'single');
    const prompts = names.flatMap((label) => templates.map((template) => fillTemplate(template, label)));
    const { signal, onProgress } = options;
    const vectors = await clip.encodeText(prompts, { ...(signal && { signal }), ...(onProgress && { onProgress }) });
    const { embedDim } = clip.config;
    const embeddings = new Float32Array(names.length * embedDim);
    for (let i = 0; i < names.length; i++) {
      const own = vectors.slice(i * templates.length, (i + 1) * templates.length);
      embeddings.set(own.length === 1 ? own[0]! : meanDirection(own), i * embedDim);
    }
    return new Classifier(names, embeddings, clip.logitScale, clip);
  }

  /**
   * A classifier from `toBytes`. With a model it classifies pictures (the text tower need not be loaded), without one
   * only embeddings.
   * @throws ClipError CLASSIFIER_FORMAT if the bytes are none, damaged, or of another version or embedding length
   */
  static fromBytes(bytes: Uint8Array | ArrayBuffer, clip?: Clip): Classifier {
    const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
    const fail = (message: string, cause?: unknown): never => {
      throw new ClipError('CLASSIFIER_FORMAT', `classifier file: ${message}`, { cause });
    };
    try {
      const { metadata, tensors } = parseSafetensorsHeader(view, 'classifier file');
      if (metadata.format !== FORMAT) fail(`expected the format ${FORMAT}, found ${metadata.format ?? '(none)'}`);
      if (metadata.version !== VERSION) fail(`expected version ${VERSION}, found ${metadata.version}`);
      const labels = checkLabels(JSON.parse(metadata.labels ?? ''));
      const logitScale = Number(metadata.logit_scale);
      const tensor = tensors.get('embeddings') ?? fail('it has no embeddings');
      const [n, embedDim] = tensor.shape;
      if (tensor.dtype !== 'F32' || tensor.shape.length !== 2 || n !== labels.length || !(embedDim! > 0)) {
        fail(`expected F32 embeddings [${labels.length}, any], found ${tensor.dtype} [${tensor.shape.join(', ')}]`);
      }
      if (!(logitScale > 0 && Number.isFinite(logitScale))) fail(`the logit scale is ${metadata.logit_scale}`);
      if (clip && clip.config.embedDim !== embedDim) {
        fail(`its embeddings have ${embedDim} numbers, the model's ${clip.config.embedDim}`);
      }
      const embeddings = new Float32Array(tensor.byteLength / 4);
      // Not by `slice`, which for a Buffer gives a view.
      new Uint8Array(embeddings.buffer).set(view.subarray(tensor.offset, tensor.offset + tensor.byteLength));
      for (let i = 0; i < n!; i++) {
        const length = Math.hypot(...embeddings.subarray(i * embedDim!, (i + 1) * embedDim!));
        if (!(Math.abs(length - 1) < 1e-3)) fail(`embedding ${i} has the length ${length}, expected 1`);
      }
      return new Classifier(labels, embeddings, logitScale, clip);
    } catch (error) {
      if (error instanceof ClipError && error.code === 'CLASSIFIER_FORMAT') throw error;
      return fail((error as Error).message, error);
    }
  }

  /** A file (safetensors) with labels, embeddings and logit scale: what an edge without a text tower needs. */
  toBytes(): Uint8Array {
    const { labels, embedDim } = this;
    const data = new Uint8Array(this.#embeddings.buffer);
    const metadata = {
      format: FORMAT,
      version: VERSION,
      labels: JSON.stringify(labels),
      logit_scale: String(this.logitScale),
    };
    const parts = writeSafetensors(
      [{ name: 'embeddings', dtype: 'F32', shape: [labels.length, embedDim], data }],
      metadata,
    );
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /**
   * Ranks the labels for a picture, or for an embedding of one, best first; equal scores by position.
   * @throws RangeError for a `topK` that is no positive integer or an embedding of another length or not finite; and as
   *   `Clip.encodeImage`
   */
  async classify(image: ClassifyInput, options: ClassifyOptions = {}): Promise<Ranked[]> {
    const { topK = this.labels.length, ...encodeOptions } = options;
    if (!Number.isInteger(topK) || topK < 1) throw new RangeError(`topK must be a positive integer, got ${topK}`);
    const embedding = image instanceof Float32Array ? image : await this.#encode(image, encodeOptions);
    if (embedding.length !== this.embedDim) {
      throw new RangeError(`expected an embedding of ${this.embedDim} numbers, got ${embedding.length}`);
    }
    if (!embedding.every(Number.isFinite)) throw new RangeError('the embedding holds a number that is not finite');
    this.#ranking ??= Ranking.create(this.#embeddings, this.labels.length);
    const { similarities, scores } = (await this.#ranking).rank(embedding, this.logitScale);
    return Array.from(this.labels, (label, index) => ({
      label,
      index,
      score: scores[index]!,
      similarity: similarities[index]!,
    }))
      .sort((a, b) => b.similarity - a.similarity || a.index - b.index)
      .slice(0, topK);
  }

  #encode(image: ImageInput, options: EncodeImageOptions): Promise<Float32Array> {
    if (!this.#clip) {
      throw new ClipError(
        'TOWER_NOT_LOADED',
        'this classifier has no model: give fromBytes one, or classify embeddings',
      );
    }
    return this.#clip.encodeImage(image, options);
  }
}

/** Where things are in a ranking's memory; `table`: the constants of softmax. */
interface Places {
  readonly rows: Pointer;
  readonly query: Pointer;
  readonly similarities: Pointer;
  readonly scores: Pointer;
  readonly table: Pointer;
}

/** The label matrix in a wasm memory of its own, of its exact size. */
class Ranking {
  readonly #kernels: Kernels;
  readonly #floats: Float32Array;
  readonly #places: Places;
  readonly #n: number;
  readonly #d: number;

  private constructor(kernels: Kernels, floats: Float32Array, places: Places, n: number, d: number) {
    this.#kernels = kernels;
    this.#floats = floats;
    this.#places = places;
    this.#n = n;
    this.#d = d;
  }

  /** embeddings: f32 [n, any]; rows are padded with zeros to a multiple of 4. */
  static async create(embeddings: Float32Array, n: number): Promise<Ranking> {
    const width = embeddings.length / n;
    const d = roundUp(width, 4);
    const plan = new MemoryPlan();
    const places = {
      rows: plan.reserve('labels', n * d * 4),
      query: plan.reserve('query', d * 4),
      similarities: plan.reserve('similarities', n * 4),
      scores: plan.reserve('scores', roundUp(n, 4) * 4),
      table: plan.reserve('constants', CONSTANTS_BYTES),
    };
    const module = await compiledKernels('simd');
    const memory = plan.allocate();
    const floats = new Float32Array(memory.buffer);
    for (let i = 0; i < n; i++) floats.set(embeddings.subarray(i * width, (i + 1) * width), places.rows / 4 + i * d);
    return new Ranking(instantiateKernels(module, memory), floats, places, n, d);
  }

  /** Cosines with a picture's embedding of any length, and softmax(logitScale * cosine). */
  rank(embedding: Float32Array, logitScale: number): { similarities: Float32Array; scores: Float32Array } {
    const { rows, query, similarities, scores, table } = this.#places;
    const floats = this.#floats;
    const kernels = this.#kernels;
    floats.fill(0, query / 4, query / 4 + this.#d);
    floats.set(embedding, query / 4);
    kernels.l2Normalize({ x: query, n: this.#d });
    kernels.dotRows({ rows, n: this.#n, d: this.#d, q: query, out: similarities });
    const cosines = floats.slice(similarities / 4, similarities / 4 + this.#n);
    floats.set(cosines, scores / 4);
    kernels.softmax({ x: scores, n: this.#n, scale: logitScale, table });
    return { similarities: cosines, scores: floats.slice(scores / 4, scores / 4 + this.#n) };
  }
}

/** The mean of unit vectors, of unit length. */
function meanDirection(vectors: readonly Float32Array[]): Float32Array {
  const sums = new Float64Array(vectors[0]!.length);
  for (const vector of vectors) for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + vector[i]!;
  let square = 0;
  for (const sum of sums) square += sum * sum;
  const length = Math.sqrt(square) || 1;
  return Float32Array.from(sums, (sum) => sum / length);
}
