/** The vectors of a photo index in SQLite, and the index over them that a search scans, kept up to date with the file. */
import { ClipError } from '../errors.ts';
import { yieldIfDue } from '../scheduler.ts';
import { checkUnit } from './index-checks.ts';
import type { IndexModel } from './index-model.ts';
import type { SqlValue } from './sqlite.ts';
import type { SqliteFile } from './sqlite-file.ts';
import { VectorIndex } from './vector-index.ts';
import type { VectorPlace } from './vectors.ts';

/** Vectors that are read at once. */
const SLICE = 512;

const VECTOR = 'SELECT vector FROM vectors WHERE id = ?';

export class SqliteVectors {
  readonly #file: SqliteFile;
  readonly #model: IndexModel;
  readonly #dimension: number;
  #index: VectorIndex | undefined;
  /** What `PRAGMA data_version` said, and how many changes we had made, when the index was last brought up to date. */
  #version = '';
  #changes = 0;
  #refreshing: Promise<VectorIndex> | undefined;
  /** The largest id that the index has seen. */
  #last = 0;

  constructor(file: SqliteFile, model: IndexModel, dimension: number) {
    this.#file = file;
    this.#model = model;
    this.#dimension = dimension;
  }

  /** A photo's vector. @throws ClipError INDEX_FORMAT, IO */
  get(id: number): Float32Array | undefined {
    const row = this.#file.read(() => this.#file.prepared(VECTOR).get(id));
    return row && this.#checked(id, row.vector);
  }

  /** Ids of photos without a vector of length 1. @throws ClipError INDEX_FORMAT, IO */
  async damaged(): Promise<number[]> {
    const sql = `SELECT photos.id AS id, vector FROM photos LEFT JOIN vectors ON vectors.id = photos.id
      WHERE photos.id > ? ORDER BY photos.id LIMIT ${SLICE}`;
    const found: number[] = [];
    for (let last = -1; ; ) {
      const rows = this.#file.read(() => this.#file.prepared(sql).all(last));
      for (const { id, vector } of rows) if (!this.#vectorOf(vector)) found.push(id as number);
      if (rows.length < SLICE) return found;
      last = rows.at(-1)!.id as number;
      await yieldIfDue();
    }
  }

  /** Divided by their lengths, as they are stored. @throws TypeError, RangeError for what is not a vector of the dimension */
  async normalized(vectors: readonly Float32Array[]): Promise<Float32Array[]> {
    const index = await this.#vectorIndex();
    return vectors.map((vector) => index.normalized(vector));
  }

  /** Stores the vector of a new photo; inside a transaction. */
  insert(id: number, vector: Float32Array): void {
    const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
    this.#file.prepared('INSERT INTO vectors (id, vector) VALUES (?, ?)').run(id, bytes);
  }

  /** To be called after each transaction of ours, which `PRAGMA data_version` does not count. */
  changed(): void {
    this.#changes++;
  }

  /** The index over the vectors of the file as it is now. @throws ClipError INDEX_FORMAT, IO */
  upToDate(): Promise<VectorIndex> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<VectorIndex> {
    const file = this.#file;
    const index = await this.#vectorIndex();
    const version = file.read(() => `${file.prepared('PRAGMA data_version').get()!.data_version}, ${this.#changes}`);
    if (version === this.#version) return index;
    const sql = 'SELECT id, vector FROM vectors WHERE id > ? ORDER BY id LIMIT ?';
    const more = (limit: number) => {
      const rows = file.prepared(sql).all(this.#last, limit);
      for (const { id, vector } of rows) {
        index.addFrom(id as number, this.#checked(id as number, vector));
        this.#last = id as number;
      }
      return rows.length;
    };
    while (file.read(() => more(SLICE)) === SLICE) await yieldIfDue();
    // The rest and what is gone, as of one moment.
    file.readTogether(() => {
      while (more(SLICE) === SLICE);
      // What is there is in the index, so only a smaller number says that some are gone.
      const { n } = file.prepared('SELECT count(*) AS n FROM vectors').get()!;
      if (n !== index.size) this.#removeGone(index);
    });
    this.#version = version;
    return index;
  }

  #removeGone(index: VectorIndex): void {
    const there = new Set<SqlValue>();
    const statement = this.#file.prepared(`SELECT id FROM vectors WHERE id > ? ORDER BY id LIMIT ${SLICE}`);
    for (let last: SqlValue = -1; ; ) {
      const rows = statement.all(last);
      for (const { id } of rows) there.add(id!);
      if (rows.length < SLICE) break;
      last = rows.at(-1)!.id!;
    }
    for (const id of index.ids()) if (!there.has(id)) index.remove(id);
  }

  async #vectorIndex(): Promise<VectorIndex> {
    const readInto = (places: readonly VectorPlace[], target: Float32Array) => {
      for (const [i, { id }] of places.entries()) {
        const at = i * this.#dimension;
        const vector = this.get(id as number);
        if (vector) target.set(vector, at);
        else target.fill(Number.NaN, at, at + this.#dimension);
      }
    };
    this.#index ??= await VectorIndex.over({ dimension: this.#dimension, model: this.#model }, { readInto });
    return this.#index;
  }

  /** @throws ClipError INDEX_FORMAT if it is not a vector of length 1 */
  #checked(id: number, blob: unknown): Float32Array {
    const vector = this.#vectorOf(blob);
    if (vector) return vector;
    throw new ClipError(
      'INDEX_FORMAT',
      `"${this.#file.name}" is damaged: the vector of photo ${id} is not one of length 1; edgeclip index makes it again`,
    );
  }

  #vectorOf(blob: unknown): Float32Array | undefined {
    const bytes = blob as Uint8Array | null;
    if (bytes?.byteLength !== this.#dimension * 4) return undefined;
    const isAligned = bytes.byteOffset % 4 === 0;
    const { buffer, byteOffset } = isAligned ? bytes : bytes.slice();
    const vector = new Float32Array(buffer, byteOffset, this.#dimension);
    return checkUnit(vector) ? vector : undefined;
  }
}
