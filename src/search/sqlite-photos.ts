/** A photo index in an SQLite file. */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ClipError } from '../errors.ts';
import type { About } from './about.ts';
import { checkSameIndex, OpenIndex, openedForReading } from './open-index.ts';
import { pathToText } from './path-text.ts';
import { failureOf, photoOf } from './photo-rows.ts';
import type {
  NewPhoto,
  OpenPhotosOptions,
  Photo,
  PhotoChanges,
  PhotoFailure,
  PhotoMatch,
  PhotoSearchOptions,
  PhotoStore,
} from './photo-store.ts';
import { openSqlite, type Sqlite } from './sqlite.ts';
import { SqliteFile, sqliteError } from './sqlite-file.ts';
import { migrate, readAbout } from './sqlite-schema.ts';
import { SqliteVectors } from './sqlite-vectors.ts';

/** How long a writer waits for another one, in milliseconds. */
const BUSY_MS = 10_000;
const PHOTO = 'SELECT id, path, size, mtime, hash FROM photos';

/**
 * @throws ClipError IO if it cannot be opened; INDEX_FORMAT if it is not an index, or of a later version; INDEX_MODEL if it holds
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
    database = openSqlite(full, readOnly);
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    migrate(database, path, readOnly ? undefined : create);
    if (readOnly) database.exec('PRAGMA query_only = 1');
    else database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = 1');
    const about = readAbout(path, database);
    checkSameIndex(path, about, create);
    return new SqlitePhotos(new SqliteFile(path, database), about, readOnly);
  } catch (error) {
    database?.close();
    throw error instanceof TypeError ? error : sqliteError(path, 'read', error);
  }
}

class SqlitePhotos extends OpenIndex implements PhotoStore {
  readonly #file: SqliteFile;
  readonly #vectors: SqliteVectors;
  readonly #readOnly: boolean;

  constructor(file: SqliteFile, about: About, readOnly: boolean) {
    super(file.name, about);
    this.#file = file;
    this.#vectors = new SqliteVectors(file, this.model, this.dimension);
    this.#readOnly = readOnly;
  }

  async count(): Promise<number> {
    return this.#file.read(() => this.#file.prepared('SELECT count(*) AS n FROM photos').get()!.n as number);
  }

  async photos(): Promise<Photo[]> {
    return this.#file.read(() => this.#file.prepared(`${PHOTO} ORDER BY id`).all().map(photoOf));
  }

  async photo(id: number): Promise<Photo | undefined> {
    const row = this.#file.read(() => this.#file.prepared(`${PHOTO} WHERE id = ?`).get(id));
    return row && photoOf(row);
  }

  async vector(id: number): Promise<Float32Array | undefined> {
    return this.#vectors.get(id);
  }

  async damaged(): Promise<Photo[]> {
    const ids = await this.#vectors.damaged();
    return this.#file.read(() => ids.map((id) => photoOf(this.#file.prepared(`${PHOTO} WHERE id = ?`).get(id)!)));
  }

  async failures(): Promise<PhotoFailure[]> {
    const rows = this.#file.read(() =>
      this.#file.prepared('SELECT path, size, mtime, error FROM failures ORDER BY path').all(),
    );
    return rows.map(failureOf);
  }

  async search(query: ArrayLike<number>, k: number, options: PhotoSearchOptions = {}): Promise<PhotoMatch[]> {
    const { filter, signal } = options;
    const index = await this.#vectors.upToDate();
    const only = filter && ((id: string | number) => filter(id as number));
    const found = await index.search(query, k, { signal, ...(only && { filter: only }) });
    return found.flatMap(({ id, similarity }) => {
      const row = this.#file.read(() => this.#file.prepared(`${PHOTO} WHERE id = ?`).get(id));
      return row ? [{ ...photoOf(row), similarity }] : [];
    });
  }

  async change({ remove = [], move = [], add = [], fail = [], forget = [] }: PhotoChanges): Promise<number[]> {
    if (this.#readOnly) throw openedForReading(this.name);
    const vectors = await this.#vectors.normalized(add.map(({ vector }) => vector));
    const ids: number[] = [];
    this.#file.transaction(() => {
      const removeAt = (path: string) => this.#file.prepared('DELETE FROM photos WHERE path = ?').run(path);
      const forgetAt = (path: string) => this.#file.prepared('DELETE FROM failures WHERE path = ?').run(path);
      for (const id of remove) this.#file.prepared('DELETE FROM photos WHERE id = ?').run(id);
      for (const { id, path, size, mtime } of move) {
        this.#file.prepared('DELETE FROM photos WHERE path = ? AND id <> ?').run(pathToText(path), id);
        forgetAt(pathToText(path));
        this.#file
          .prepared('UPDATE photos SET path = ?, size = ?, mtime = ? WHERE id = ?')
          .run(pathToText(path), size, mtime, id);
      }
      for (const [i, photo] of add.entries()) ids.push(this.#insert(photo, vectors[i]!, removeAt, forgetAt));
      for (const { path, size, mtime, error } of fail) {
        removeAt(pathToText(path));
        const sql = 'INSERT OR REPLACE INTO failures (path, size, mtime, error) VALUES (?, ?, ?, ?)';
        this.#file.prepared(sql).run(pathToText(path), size, mtime, error);
      }
      for (const path of forget) forgetAt(pathToText(path));
    });
    this.#vectors.changed();
    return ids;
  }

  bulk<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async close(): Promise<void> {
    this.#file.close({ merge: !this.#readOnly });
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
    const { id } = this.#file.prepared(sql).get(text, size, mtime, hash)!;
    this.#vectors.insert(id as number, vector);
    return id as number;
  }
}
