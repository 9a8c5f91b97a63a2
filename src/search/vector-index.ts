/** A searchable collection of embeddings, in memory: exact answers from a scan over int8 copies. */
import { concatenate } from '../bytes.ts';
import { asCosine } from '../cosine.ts';
import { show } from '../json.ts';
import { checkOptions } from '../options.ts';
import { exactSearch, type Searched } from './exact-search.ts';
import { type LoadedIndex, readIndex, writeIndex } from './index-file.ts';
import { checkIndexModel, type IndexModel, type IndexModelInput, indexModel } from './index-model.ts';
import { type IndexFile, openIndexFile } from './index-source.ts';
import { Records } from './records.ts';
import { Slots } from './slots.ts';
import { checkId, checkVector, MemoryVectors, type VectorId, type VectorPlace, type VectorReader } from './vectors.ts';

export interface VectorIndexOptions {
  /** Numbers of a vector. Default: the model's `embedDim`, if `model` is a `Clip`. */
  readonly dimension?: number | undefined;
  /** The model whose vectors these are. Default: none is recorded, and nothing is checked. */
  readonly model?: IndexModelInput | undefined;
}

export interface LoadIndexOptions {
  /** The model that queries and further vectors come from. Default: it is not checked. */
  readonly model?: IndexModelInput | undefined;
  /**
   * Leave the f32 vectors in the file and read them from there when a search needs them: a fifth of the memory. The source
   * stays open until `close`. Default: false.
   */
  readonly onDisk?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SearchOptions {
  /** Which ids may be found. Default: all. */
  readonly filter?: ((id: VectorId) => boolean) | undefined;
  /** Stops the search. */
  readonly signal?: AbortSignal | undefined;
}

/** A vector that was found. */
export interface Match {
  readonly id: VectorId;
  /** Cosine with the query, -1 to 1. */
  readonly similarity: number;
}

/**
 * Embeddings by id, and the nearest of them to a query. A search gives exactly what a plain f32 scan gives, the answers and
 * the bits of `nearest`: it scans int8 copies for an upper bound of each cosine, and computes in f32 every vector whose bound
 * reaches the k-th best (docs/numerics.md has the proof). Equal cosines come in the order in which the vectors were added.
 *
 * Memory: a byte for each number and about 100 bytes for each vector; five bytes for each number if the vectors themselves are
 * in memory too. Vectors may be added and removed at any time; a search that runs meanwhile sees such a change or not.
 * @example
 * import { readFile } from 'node:fs/promises';
 * import { loadClip } from 'edgeclip';
 * import { VectorIndex } from 'edgeclip/search';
 * const clip = await loadClip();
 * const index = await VectorIndex.create({ model: clip });
 * index.add('cat.png', await clip.encodeImage(await readFile('examples/cat.png')));
 * await index.search(await clip.encodeText('a photo of a cat'), 5); // [{ id: 'cat.png', similarity: 0.3… }]
 */
export class VectorIndex {
  readonly dimension: number;
  /** The model whose vectors these are; undefined if it was not said. */
  readonly model: IndexModel | undefined;
  readonly #records: Records;
  readonly #vectors: MemoryVectors;
  /** Where the first `#read` vectors are, if not in memory. */
  readonly #reader: VectorReader | undefined;
  #read = 0;
  readonly #slots = new Slots();
  /** Searches and saves that run: no slot is used again meanwhile. */
  #running = 0;

  private constructor(
    dimension: number,
    model: IndexModel | undefined,
    records: Records,
    reader: VectorReader | undefined,
  ) {
    this.dimension = dimension;
    this.model = model;
    this.#records = records;
    this.#vectors = new MemoryVectors(dimension);
    this.#reader = reader;
  }

  /**
   * An empty index.
   * @throws TypeError, RangeError for options that are not right; ClipError UNSUPPORTED where the runtime lacks WebAssembly SIMD
   */
  static async create(options: VectorIndexOptions): Promise<VectorIndex> {
    return VectorIndex.over(options, undefined);
  }

  /** Over vectors that a reader finds: they are added by `addFrom`. @internal */
  static async over(options: VectorIndexOptions, reader: VectorReader | undefined): Promise<VectorIndex> {
    checkOptions('VectorIndex.create', options, { dimension: 'number', model: 'any' });
    const { model } = options;
    const config = (model as { config?: { embedDim?: number } } | undefined)?.config;
    const dimension = options.dimension ?? config?.embedDim;
    if (dimension === undefined) {
      throw new TypeError('VectorIndex.create: give { dimension }, or a Clip as { model }');
    }
    if (!Number.isInteger(dimension) || dimension < 1 || dimension > MAX_DIMENSION) {
      throw new RangeError(`dimension must be a whole number from 1 to ${MAX_DIMENSION}, got ${show(dimension)}`);
    }
    const made = model === undefined ? undefined : indexModel(model);
    return new VectorIndex(dimension, made, await Records.create(dimension), reader);
  }

  /**
   * An index that `save` wrote.
   * @param file its path (Node, Deno, Bun) or address, its bytes, a `Blob` or `File`, an object with a size and `slice` as `loadClip`
   *   takes it, or a source of your own
   * @throws TypeError for anything else; ClipError INDEX_FORMAT if it is damaged, of another format or version; INDEX_MODEL if another model made it; IO if
   *   it cannot be read; UNSUPPORTED where the runtime lacks the memory; the signal's reason if aborted
   * @example
   * const index = await VectorIndex.load(await readFile('photos.vectors'), { model: clip });
   */
  static async load(file: IndexFile, options: LoadIndexOptions = {}): Promise<VectorIndex> {
    checkOptions('VectorIndex.load', options, { model: 'any', onDisk: 'boolean', signal: 'signal' });
    const { model, onDisk = false, signal } = options;
    const expected = model === undefined ? undefined : indexModel(model);
    const { source, isOurs } = await openIndexFile(file);
    let index: VectorIndex | undefined;
    const start = async ({ name, dimension, model, reader }: LoadedIndex) => {
      if (expected && model) checkIndexModel(name, model, expected);
      index = await VectorIndex.over({ dimension, model }, onDisk ? reader : undefined);
    };
    let isOpen = false;
    try {
      await readIndex(source, start, (id, vector) => index!.#append(id, vector, onDisk), signal);
      isOpen = onDisk;
      return index!;
    } finally {
      if (isOurs && !isOpen) await source.close?.();
    }
  }

  /** How many vectors it has. */
  get size(): number {
    return this.#slots.size;
  }

  has(id: VectorId): boolean {
    return this.#slots.has(id);
  }

  /** The ids, in the order in which their vectors were added. */
  ids(): VectorId[] {
    return this.#slots.inOrder().map((slot) => this.#slots.id(slot));
  }

  /**
   * Adds a vector, copied and divided by its length. One of the same id is replaced, and counts as added now.
   * @param id text, or a whole number
   * @throws TypeError, RangeError for another kind of id, another dimension, or numbers that are not finite; ClipError
   *   UNSUPPORTED if the runtime has no more memory. The index is then as it was
   */
  add(id: VectorId, vector: ArrayLike<number>): void {
    checkId(id);
    this.#append(id, this.normalized(vector), false);
  }

  /** A vector divided by its length, as `add` keeps it. @internal */
  normalized(vector: ArrayLike<number>): Float32Array {
    return this.#records.normalized(checkVector('add', vector, this.dimension));
  }

  /** Adds a vector of length 1 that the reader finds. @internal */
  addFrom(id: VectorId, vector: Float32Array): void {
    this.#append(id, vector, true);
  }

  /** Removes a vector. Returns whether there was one. */
  remove(id: VectorId): boolean {
    const slot = this.#slots.remove(id);
    if (slot === undefined) return false;
    this.#records.drop(slot);
    // A reader's vectors keep their positions, so those slots stay empty.
    if (slot >= this.#read) this.#slots.release(slot);
    return true;
  }

  /**
   * The k vectors with the largest cosines to the query, best first; fewer if the index has fewer.
   * @param query an embedding of any length (norm); it is copied
   * @throws TypeError, RangeError for arguments that are not right; ClipError IO if vectors on disk cannot be read; the
   *   signal's reason if aborted
   * @example
   * await index.search(await clip.encodeText('a red bicycle'), 20, { filter: (id) => `${id}`.endsWith('.jpg') });
   */
  async search(query: ArrayLike<number>, k: number, options: SearchOptions = {}): Promise<Match[]> {
    checkOptions('search', options, { filter: 'function', signal: 'signal' });
    if (!Number.isInteger(k) || k < 1) throw new RangeError(`search: k must be a positive integer, got ${show(k)}`);
    const { filter, signal } = options;
    signal?.throwIfAborted();
    const prepared = this.#records.query(this.#records.normalized(checkVector('search', query, this.dimension)));
    const searched: Searched = {
      records: this.#records,
      dimension: this.dimension,
      added: this.#slots.added,
      read: (slots, target) => this.#readVectors(slots, target),
    };
    const only = filter && ((slot: number) => filter(this.#slots.id(slot)));
    this.#running++;
    try {
      const found = await exactSearch(searched, prepared, k, { filter: only, signal });
      return found.map(({ slot, score }) => ({ id: this.#slots.id(slot), similarity: asCosine(score) }));
    } finally {
      this.#running--;
    }
  }

  /**
   * The index as a file, piece by piece: safetensors (docs/search.md says what is in it). The same vectors, added in the same order,
   * give the same bytes.
   * @throws ClipError IO if vectors on disk cannot be read
   * @example
   * await writeFile('photos.vectors', index.save());
   */
  async *save(): AsyncGenerator<Uint8Array, void, undefined> {
    this.#running++;
    try {
      const slots = this.#slots.inOrder();
      const ids = slots.map((slot) => this.#slots.id(slot));
      const read = async (first: number, n: number) => {
        const target = new Float32Array(n * this.dimension);
        await this.#readVectors(slots.slice(first, first + n), target);
        return target;
      };
      yield* writeIndex({ ids, dimension: this.dimension, model: this.model, read });
    } finally {
      this.#running--;
    }
  }

  /** The same in one piece, for runtimes without files. */
  async toBytes(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this.save()) parts.push(part);
    return concatenate(parts);
  }

  /**
   * Checks that a model made these vectors. An index without a model passes.
   * @throws ClipError INDEX_MODEL if it did not
   */
  checkModel(model: IndexModelInput): void {
    if (this.model) checkIndexModel('the index', this.model, indexModel(model));
  }

  /** Closes the file of an index that was loaded with `onDisk`. */
  async close(): Promise<void> {
    await this.#reader?.close?.();
  }

  /** The vectors of slots, one after the other; a promise if some must be read. */
  #readVectors(slots: readonly number[], target: Float32Array): Promise<void> | undefined {
    const d = this.dimension;
    const places: (VectorPlace & { readonly at: number })[] = [];
    for (const [at, slot] of slots.entries()) {
      if (slot >= this.#read) target.set(this.#vectors.get(slot), at * d);
      else places.push({ id: this.#slots.id(slot), position: slot, at });
    }
    if (places.length === 0) return undefined;
    const read = new Float32Array(places.length * d);
    const spread = () => {
      for (const [i, { at }] of places.entries()) target.set(read.subarray(i * d, (i + 1) * d), at * d);
    };
    const reading = this.#reader!.readInto(places, read);
    if (reading) return reading.then(spread);
    spread();
    return undefined;
  }

  #append(id: VectorId, vector: Float32Array, isRead: boolean): void {
    const reused = !isRead && this.#running === 0 ? this.#slots.free : undefined;
    const slot = reused ?? this.#records.count;
    if (!isRead) this.#vectors.set(slot, vector);
    this.#records.set(slot, vector); // may throw: what is there is untouched
    const former = this.#slots.remove(id);
    this.#slots.add(id, slot);
    if (isRead) this.#read = slot + 1;
    if (former === undefined) return;
    this.#records.drop(former);
    if (former >= this.#read) this.#slots.release(former);
  }
}

/** Largest number of dimensions: the query still has 8 bits. */
const MAX_DIMENSION = 65_536;
