/** A photo index in PostgreSQL with pgvector. */
import { show } from '../json.ts';
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
import { Postgres, type PostgresRow, type Session } from './postgres.ts';
import { postgresAddress } from './postgres-address.ts';
import { copyRows, sentVector } from './postgres-copy.ts';
import { damagedVector, nearestIn } from './postgres-nearest.ts';
import { hnswIndex, migrate, readAbout } from './postgres-schema.ts';
import { PostgresWriter } from './postgres-writer.ts';
import { Records } from './records.ts';
import { checkVector } from './vectors.ts';

const PHOTO = 'SELECT id, path, size, mtime, hash FROM $schema.photos';

/**
 * @param address `postgres://user@host:port/database?index=NAME`, and pg's parameters
 * @throws ClipError IO if the server cannot be reached or another process writes the index; INDEX_FORMAT if it is not an index, or of
 *   a later version; INDEX_MODEL if it holds vectors of another model; UNSUPPORTED, with what to install, without pg or pgvector
 */
export async function openPostgresPhotos(address: string, options: OpenPhotosOptions = {}): Promise<PhotoStore> {
  const { create, readOnly = false } = options;
  const place = postgresAddress(address);
  const database = await Postgres.at(place);
  let writer: PostgresWriter | undefined;
  try {
    const about = await database.with(async (session) => {
      await migrate(session, place.name, readOnly ? undefined : create);
      return readAbout(session, place.name);
    });
    checkSameIndex(place.name, about, create);
    writer = readOnly ? undefined : await PostgresWriter.start(database);
    return new PostgresPhotos(database, about, await Records.create(about.dimension), writer);
  } catch (error) {
    writer?.end();
    await database.close();
    throw error;
  }
}

class PostgresPhotos extends OpenIndex implements PhotoStore {
  readonly #database: Postgres;
  readonly #records: Records;
  readonly #writer: PostgresWriter | undefined;
  #closing: Promise<void> | undefined;

  constructor(database: Postgres, about: About, records: Records, writer: PostgresWriter | undefined) {
    super(database.name, about);
    this.#database = database;
    this.#records = records;
    this.#writer = writer;
  }

  async count(): Promise<number> {
    const [row] = await this.#rows('SELECT count(*) AS n FROM $schema.photos');
    return Number(row!.n);
  }

  async photos(): Promise<Photo[]> {
    return (await this.#rows(`${PHOTO} ORDER BY id`)).map(photoOf);
  }

  async photo(id: number): Promise<Photo | undefined> {
    const [row] = await this.#rows(`${PHOTO} WHERE id = $1`, [id]);
    return row && photoOf(row);
  }

  async vector(id: number): Promise<Float32Array | undefined> {
    const [row] = await this.#rows('SELECT vector_send(vector) AS vector FROM $schema.vectors WHERE id = $1', [id]);
    if (!row) return undefined;
    const vector = sentVector(row.vector as Uint8Array, this.dimension);
    if (!vector) throw damagedVector(this.name, id);
    return vector;
  }

  async damaged(): Promise<Photo[]> {
    // The server tells who is suspected: its sums are others than ours.
    const suspects = await this.#rows(
      `SELECT p.*, vector_send(vector) AS vector FROM $schema.photos p LEFT JOIN $schema.vectors v USING (id)
       WHERE vector IS NULL OR abs(vector_norm(vector) - 1) > 1e-7 ORDER BY id`,
    );
    return suspects
      .filter(({ vector }) => vector === null || !sentVector(vector as Uint8Array, this.dimension))
      .map(photoOf);
  }

  async failures(): Promise<PhotoFailure[]> {
    const rows = await this.#rows('SELECT path, size, mtime, error FROM $schema.failures ORDER BY path COLLATE "C"');
    return rows.map(failureOf);
  }

  async search(query: ArrayLike<number>, k: number, options: PhotoSearchOptions = {}): Promise<PhotoMatch[]> {
    const { filter, signal, approximate = false } = options;
    if (!Number.isInteger(k) || k < 1) throw new RangeError(`search: k must be a positive integer, got ${show(k)}`);
    const unit = this.#records.normalized(checkVector('search', query, this.dimension));
    return this.#database.snapshot(async (session) => {
      const wanted = { query: unit, k, filter, approximate, signal };
      const near = await nearestIn(session, this.name, this.#records, wanted);
      const rows = await session.rows(`${PHOTO} WHERE id = ANY($1)`, [near.map(({ id }) => id)]);
      const photos = new Map(rows.map((row) => [Number(row.id), photoOf(row)]));
      return near.map(({ id, similarity }) => ({ ...photos.get(id)!, similarity }));
    }, signal);
  }

  async change({ remove = [], move = [], add = [], fail = [], forget = [] }: PhotoChanges): Promise<number[]> {
    const writer = this.#writing();
    const vectors = add.map(({ vector }) => this.#records.normalized(checkVector('add', vector, this.dimension)));
    return writer.write(async (session) => {
      if (remove.length > 0) await session.rows('DELETE FROM $schema.photos WHERE id = ANY($1)', [remove]);
      for (const { id, path, size, mtime } of move) {
        const text = pathToText(path);
        await session.rows(
          `WITH failures AS (DELETE FROM $schema.failures WHERE path = $1)
           DELETE FROM $schema.photos WHERE path = $1 AND id <> $2`,
          [text, id],
        );
        const update = 'UPDATE $schema.photos SET path = $1, size = $2, mtime = $3 WHERE id = $4';
        await session.rows(update, [text, size, mtime, id]);
      }
      const ids = add.length > 0 ? await addPhotos(session, add, vectors) : [];
      if (fail.length > 0) await addFailures(session, fail);
      if (forget.length > 0) {
        await session.rows('DELETE FROM $schema.failures WHERE path = ANY($1)', [forget.map(pathToText)]);
      }
      return ids;
    });
  }

  async bulk<T>(work: () => Promise<T>): Promise<T> {
    const writer = this.#writing();
    await writer.write(async (session) => {
      const [row] = await session.rows('SELECT EXISTS (SELECT FROM $schema.photos) AS some');
      if (!row!.some) await session.rows('DROP INDEX IF EXISTS $schema.vectors_hnsw');
    });
    const result = await work();
    await writer.write((session) => session.slow(hnswIndex(this.dimension)));
    return result;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#writer?.end();
      await this.#database.close();
    })();
    return this.#closing;
  }

  #writing(): PostgresWriter {
    if (!this.#writer) throw openedForReading(this.name);
    return this.#writer;
  }

  #rows(sql: string, values?: readonly unknown[]): Promise<PostgresRow[]> {
    return this.#database.with((session) => session.rows(sql, values));
  }
}

/** Of several with one path, the last one stays. Returns the ids of all. */
async function addPhotos(
  session: Session,
  add: readonly NewPhoto[],
  vectors: readonly Float32Array[],
): Promise<number[]> {
  const last = new Map(add.map(({ path }, i) => [pathToText(path), i]));
  const rows = await session.rows(
    `WITH photos AS (DELETE FROM $schema.photos WHERE path = ANY($1)),
       failures AS (DELETE FROM $schema.failures WHERE path = ANY($1))
     SELECT nextval(pg_get_serial_sequence('$schema.photos', 'id')) AS id FROM generate_series(1, $2::int)`,
    [[...last.keys()], add.length],
  );
  const ids = rows.map(({ id }) => Number(id));
  const kept = [...last.values()];
  const of = <T>(value: (photo: NewPhoto) => T) => kept.map((i) => value(add[i]!));
  await session.rows(
    `INSERT INTO $schema.photos (id, path, size, mtime, hash)
     SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[])`,
    [
      kept.map((i) => ids[i]),
      [...last.keys()],
      of(({ size }) => size),
      of(({ mtime }) => mtime),
      of(({ hash }) => hash),
    ],
  );
  const copy = 'COPY $schema.vectors (id, vector) FROM STDIN (FORMAT binary)';
  await session.copy(
    copy,
    copyRows(
      kept.map((i) => ids[i]!),
      kept.map((i) => vectors[i]!),
    ),
  );
  return ids;
}

async function addFailures(session: Session, fail: readonly PhotoFailure[]): Promise<void> {
  const last = [...new Map(fail.map((failure) => [pathToText(failure.path), failure]))];
  const paths = last.map(([path]) => path);
  await session.rows(
    `WITH photos AS (DELETE FROM $schema.photos WHERE path = ANY($1))
     DELETE FROM $schema.failures WHERE path = ANY($1)`,
    [paths],
  );
  await session.rows(
    `INSERT INTO $schema.failures (path, size, mtime, error)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])`,
    [paths, last.map(([, { size }]) => size), last.map(([, { mtime }]) => mtime), last.map(([, { error }]) => error)],
  );
}
