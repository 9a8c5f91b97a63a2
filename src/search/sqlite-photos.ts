/** A photo index in an SQLite file. */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ClipError } from '../errors.ts';
import { yieldIfDue } from '../scheduler.ts';
import { checkUnit } from './index-checks.ts';
import { checkIndexModel, type IndexModel, type IndexModelInput, indexModel } from './index-model.ts';
import { pathFromText, pathToText } from './path-text.ts';
import type {
  NewPhoto,
  NewPhotoStore,
  OpenPhotosOptions,
  Photo,
  PhotoChanges,
  PhotoFailure,
  PhotoFile,
  PhotoMatch,
  PhotoSearchOptions,
  PhotoStore,
  PictureOptions,
} from './photo-store.ts';
import { checkPictures } from './pictures.ts';
import { openSqlite, type Sqlite, type SqlRow, type Statement } from './sqlite.ts';
import { migrate } from './sqlite-schema.ts';
import { VectorIndex } from './vector-index.ts';
import type { VectorPlace, VectorReader } from './vectors.ts';

/** How long a writer waits for another one, in milliseconds. */
const BUSY_MS = 10_000;
/** Vectors that are read at once. */
const SLICE = 512;

const PHOTO = 'SELECT id, path, size, mtime, hash FROM photos';

/**
 * @throws ClipError IO if it cannot be opened; INDEX_FORMAT if it is no index, or of a later version; INDEX_MODEL if it holds
 *   vectors of another model; UNSUPPORTED, with what to install, if this runtime has no SQLite
 */
export async function openSqlitePhotos(path: string, options: OpenPhotosOptions = {}): Promise<PhotoStore> {
  const { create, readOnly = false } = options;
  const full = resolve(path);
  if (create === undefined && !existsSync(full)) {
    throw new ClipError('IO', `there is no index "${path}": make it with edgeclip index PHOTOS --to "${path}"`);
  }
  if (existsSync(full) && !statSync(full).isFile()) throw new ClipError('IO', `"${path}" is not a file`);
  if (!existsSync(dirname(full))) throw new ClipError('IO', `cannot make "${path}": there is no such folder`);
  let database: Sqlite | undefined;
  try {
    database = openSqlite(full);
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    migrate(database, path, readOnly ? undefined : create);
    if (readOnly) database.exec('PRAGMA query_only = 1');
    else database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = 1');
    return await SqlitePhotos.open(path, database, create, readOnly);
  } catch (error) {
    database?.close();
    throw error instanceof ClipError || error instanceof TypeError ? error : unreadable(path, error);
  }
}

class SqlitePhotos implements PhotoStore {
  readonly name: string;
  readonly model: IndexModel;
  readonly dimension: number;
  readonly pictures: PictureOptions;
  readonly #database: Sqlite;
  readonly #readOnly: boolean;
  readonly #statements = new Map<string, Statement>();
  #index: VectorIndex | undefined;
  /** What `PRAGMA data_version` said, and how many changes we had made, when the index was last brought up to date. */
  #version = '';
  #changes = 0;
  #refreshing: Promise<VectorIndex> | undefined;
  /** The largest id that the index has seen. */
  #last = 0;

  private constructor(name: string, database: Sqlite, about: About, readOnly: boolean) {
    this.name = name;
    this.#database = database;
    this.#readOnly = readOnly;
    this.model = about.model;
    this.dimension = about.dimension;
    this.pictures = about.pictures;
  }

  static async open(name: string, database: Sqlite, create: NewPhotoStore | undefined, readOnly: boolean) {
    const store = new SqlitePhotos(name, database, readAbout(name, database), readOnly);
    if (create) {
      store.checkModel(create.model);
      checkPictures(`"${name}"`, store.pictures, create.pictures);
    }
    return store;
  }

  async count(): Promise<number> {
    return this.#read(() => this.#prepared('SELECT count(*) AS n FROM photos').get()!.n as number);
  }

  async photos(): Promise<Photo[]> {
    return this.#read(() => this.#prepared(`${PHOTO} ORDER BY id`).all().map(photoOf));
  }

  async photo(id: number): Promise<Photo | undefined> {
    const row = this.#read(() => this.#prepared(`${PHOTO} WHERE id = ?`).get(id));
    return row && photoOf(row);
  }

  async vector(id: number): Promise<Float32Array | undefined> {
    const row = this.#read(() => this.#prepared('SELECT vector FROM vectors WHERE id = ?').get(id));
    return row && this.#vectorOf(id, row.vector);
  }

  async failures(): Promise<PhotoFailure[]> {
    const rows = this.#read(() => this.#prepared('SELECT path, size, mtime, error FROM failures ORDER BY path').all());
    return rows.map((row) => ({ ...fileOf(row), error: row.error as string }));
  }

  async search(query: ArrayLike<number>, k: number, options: PhotoSearchOptions = {}): Promise<PhotoMatch[]> {
    const { filter, signal } = options;
    const index = await this.#upToDate();
    const only = filter && ((id: string | number) => filter(id as number));
    const found = await index.search(query, k, { signal, ...(only && { filter: only }) });
    return found.flatMap(({ id, similarity }) => {
      const row = this.#read(() => this.#prepared(`${PHOTO} WHERE id = ?`).get(id));
      return row ? [{ ...photoOf(row), similarity }] : [];
    });
  }

  async change({ remove = [], move = [], add = [], fail = [], forget = [] }: PhotoChanges): Promise<number[]> {
    if (this.#readOnly) throw new ClipError('IO', `"${this.name}" was opened for reading only`);
    const index = await this.#vectorIndex();
    const vectors = add.map(({ vector }) => index.normalized(vector));
    const ids: number[] = [];
    this.#transaction(() => {
      const removeAt = (path: string) => this.#prepared('DELETE FROM photos WHERE path = ?').run(path);
      const forgetAt = (path: string) => this.#prepared('DELETE FROM failures WHERE path = ?').run(path);
      for (const id of remove) this.#prepared('DELETE FROM photos WHERE id = ?').run(id);
      for (const { id, path, size, mtime } of move) {
        this.#prepared('DELETE FROM photos WHERE path = ? AND id <> ?').run(pathToText(path), id);
        forgetAt(pathToText(path));
        this.#prepared('UPDATE photos SET path = ?, size = ?, mtime = ? WHERE id = ?').run(
          pathToText(path),
          size,
          mtime,
          id,
        );
      }
      for (const [i, photo] of add.entries()) ids.push(this.#insert(photo, vectors[i]!, removeAt, forgetAt));
      for (const { path, size, mtime, error } of fail) {
        removeAt(pathToText(path));
        const sql = 'INSERT OR REPLACE INTO failures (path, size, mtime, error) VALUES (?, ?, ?, ?)';
        this.#prepared(sql).run(pathToText(path), size, mtime, error);
      }
      for (const path of forget) forgetAt(pathToText(path));
    });
    this.#changes++;
    return ids;
  }

  checkModel(model: IndexModelInput): void {
    checkIndexModel(`"${this.name}"`, this.model, indexModel(model));
  }

  async close(): Promise<void> {
    try {
      // Without readers, all is put into the one file, which can then be copied, or read where nothing can be written.
      if (!this.#readOnly) this.#database.exec('PRAGMA journal_mode = DELETE');
    } catch {
      // A reader is there: the journal stays beside the file.
    }
    this.#database.close();
  }

  #insert(
    { path, size, mtime, hash }: NewPhoto,
    vector: Float32Array,
    removeAt: (path: string) => void,
    forgetAt: (path: string) => void,
  ): number {
    const text = pathToText(path);
    removeAt(text);
    forgetAt(text);
    const sql = 'INSERT INTO photos (path, size, mtime, hash) VALUES (?, ?, ?, ?) RETURNING id';
    const { id } = this.#prepared(sql).get(text, size, mtime, hash)!;
    const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
    this.#prepared('INSERT INTO vectors (id, vector) VALUES (?, ?)').run(id!, bytes);
    return id as number;
  }

  /** The vectors of the file, as a search finds them. */
  #upToDate(): Promise<VectorIndex> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<VectorIndex> {
    const index = await this.#vectorIndex();
    const version = this.#read(() => `${this.#prepared('PRAGMA data_version').get()!.data_version}, ${this.#changes}`);
    if (version === this.#version) return index;
    const sql = 'SELECT id, vector FROM vectors WHERE id > ? ORDER BY id LIMIT ?';
    const more = (limit: number) => {
      const rows = this.#prepared(sql).all(this.#last, limit);
      for (const { id, vector } of rows) {
        index.addFrom(id as number, this.#vectorOf(id as number, vector!));
        this.#last = id as number;
      }
      return rows.length;
    };
    while (this.#read(() => more(SLICE)) === SLICE) await yieldIfDue();
    // The rest and what is gone, as of one moment.
    this.#read(() => {
      this.#database.exec('BEGIN');
      try {
        more(Number.MAX_SAFE_INTEGER);
        const there = new Set(
          this.#prepared('SELECT id FROM photos')
            .all()
            .map(({ id }) => id),
        );
        for (const id of index.ids()) if (!there.has(id)) index.remove(id);
      } finally {
        this.#database.exec('COMMIT');
      }
    });
    this.#version = version;
    return index;
  }

  async #vectorIndex(): Promise<VectorIndex> {
    this.#index ??= await VectorIndex.over({ dimension: this.dimension, model: this.model }, this.#reader());
    return this.#index;
  }

  #reader(): VectorReader {
    return {
      readInto: (places: readonly VectorPlace[], target: Float32Array) => {
        for (const [i, { id }] of places.entries()) {
          const row = this.#read(() => this.#prepared('SELECT vector FROM vectors WHERE id = ?').get(id));
          const at = i * this.dimension;
          if (row) target.set(this.#vectorOf(id as number, row.vector), at);
          else target.fill(Number.NaN, at, at + this.dimension);
        }
      },
    };
  }

  /** @throws ClipError INDEX_FORMAT if it is not a vector of length 1 */
  #vectorOf(id: number, blob: unknown): Float32Array {
    const bytes = blob as Uint8Array;
    if (bytes?.byteLength === this.dimension * 4) {
      const vector = new Float32Array(bytes.slice().buffer);
      if (checkUnit(vector)) return vector;
    }
    throw new ClipError('INDEX_FORMAT', `"${this.name}" is damaged: the vector of photo ${id} is not one of length 1`);
  }

  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw error instanceof ClipError ? error : unreadable(this.name, error);
    }
  }

  #transaction(write: () => void): void {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        write();
        this.#database.exec('COMMIT');
      } catch (error) {
        this.#database.exec('ROLLBACK');
        throw error;
      }
    } catch (error) {
      const busy = /locked|busy/i.test((error as Error).message);
      const why = busy ? 'another process is writing it' : (error as Error).message;
      throw new ClipError('IO', `cannot write "${this.name}": ${why}`, { cause: error });
    }
  }
}

interface About {
  readonly model: IndexModel;
  readonly dimension: number;
  readonly pictures: PictureOptions;
}

/** @throws ClipError INDEX_FORMAT */
function readAbout(name: string, database: Sqlite): About {
  const rows = database.prepare('SELECT key, value FROM about').all();
  const values = new Map(rows.map(({ key, value }) => [key, value as string]));
  try {
    const dimension = Number(values.get('dimension'));
    if (!Number.isInteger(dimension) || dimension < 1) throw new Error('no dimension');
    const pictures = JSON.parse(values.get('pictures')!) as PictureOptions;
    return { model: indexModel(JSON.parse(values.get('model')!)), dimension, pictures };
  } catch (cause) {
    throw new ClipError('INDEX_FORMAT', `"${name}" does not say which model made it: ${(cause as Error).message}`, {
      cause,
    });
  }
}

const fileOf = ({ path, size, mtime }: SqlRow): PhotoFile => ({
  path: pathFromText(path as string),
  size: size as number,
  mtime: mtime as number,
});

const photoOf = (row: SqlRow): Photo => ({ id: row.id as number, ...fileOf(row), hash: row.hash as string });

function unreadable(name: string, cause: unknown): ClipError {
  const { message } = cause as Error;
  if (/not a database|malformed/i.test(message)) {
    return new ClipError('INDEX_FORMAT', `"${name}" is not an index of edgeclip, or damaged: ${message}`, { cause });
  }
  return new ClipError('IO', `cannot read "${name}": ${message}`, { cause });
}
