/** Connections to PostgreSQL, by the optional peers pg and pg-copy-streams. Statements name tables as in `$schema.photos`. */
import { pipeline } from 'node:stream/promises';
import type { Pool, PoolClient, QueryConfig } from 'pg';
import { postgresPackages } from '../platform/node-packages.ts';
import { Turns } from '../turns.ts';
import type { PostgresAddress } from './postgres-address.ts';
import { postgresError } from './postgres-errors.ts';

/** How long the server may take to answer, in milliseconds, where the address has no `query_timeout`. */
const ANSWER_MS = 60_000;
/** How long a statement may take that is known to be slow: a week. */
const SLOW_MS = 7 * 24 * 3600 * 1000;
/** Statements that run at the same time, and so connections that are kept. */
const AT_ONCE = 4;

/** A row: whole numbers of 64 bits come as text, as they may exceed what a number holds exactly. */
export type PostgresRow = Readonly<Record<string, unknown>>;

/** One connection, for as long as it is held. */
export class Session {
  readonly schema: string;
  readonly #client: PoolClient;
  readonly #copyFrom: CopyFrom;
  #isOpen = true;
  readonly #end = () => {
    this.#isOpen = false;
  };

  constructor(client: PoolClient, schema: string, copyFrom: CopyFrom) {
    this.schema = schema;
    this.#client = client;
    this.#copyFrom = copyFrom;
    // What uses the connection is told by its statement.
    client.on('error', this.#end);
    client.on('end', this.#end);
  }

  /** Whether the connection can be used. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  async rows(sql: string, values: readonly unknown[] = []): Promise<PostgresRow[]> {
    // Without values, `sql` may be several statements.
    return (await this.#query({ text: this.#named(sql), ...(values.length > 0 && { values: [...values] }) })).rows;
  }

  /** Statements that may take hours, as making an index does. */
  async slow(sql: string): Promise<void> {
    await this.#query({ text: this.#named(sql), query_timeout: SLOW_MS } as QueryConfig);
  }

  /** Sends what `COPY ... FROM STDIN` reads. */
  async copy(sql: string, parts: Iterable<Uint8Array>): Promise<void> {
    try {
      await pipeline(parts, this.#client.query(this.#copyFrom(this.#named(sql))));
    } catch (error) {
      if (endsConnection(error)) this.#end();
      throw error;
    }
  }

  /** All of `work` or nothing. */
  async transaction<T>(begin: string, work: () => Promise<T>): Promise<T> {
    await this.rows(begin);
    try {
      const result = await work();
      await this.rows('COMMIT');
      return result;
    } catch (error) {
      // A connection that is gone has rolled back.
      if (this.isOpen) await this.rows('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /** Gives the connection back; ends it if it is broken. */
  release(broken: boolean): void {
    this.#client.off('error', this.#end);
    this.#client.off('end', this.#end);
    this.#client.release(broken || !this.isOpen);
  }

  /** Lets pgvector's types and operators be found, in whatever schema they are. */
  async useVector(): Promise<void> {
    await useVector(this.#client);
  }

  async #query(query: QueryConfig): Promise<{ readonly rows: PostgresRow[] }> {
    try {
      return await this.#client.query(query);
    } catch (error) {
      if (endsConnection(error)) this.#end();
      throw error;
    }
  }

  #named(sql: string): string {
    return sql.replaceAll('$schema', this.schema);
  }
}

type CopyFrom = Awaited<ReturnType<typeof postgresPackages>>['copyFrom'];

/** A database, in which one index is meant. */
export class Postgres {
  readonly name: string;
  readonly #schema: string;
  readonly #pool: Pool;
  readonly #copyFrom: CopyFrom;
  /** For a connection: the pool's own queue would give up. */
  readonly #turns = new Turns(AT_ONCE);

  private constructor({ name, schema }: PostgresAddress, pool: Pool, copyFrom: CopyFrom) {
    this.name = name;
    this.#schema = schema;
    this.#pool = pool;
    this.#copyFrom = copyFrom;
    pool.on('error', () => {}); // a connection that nobody uses was lost: the next use makes another
  }

  /**
   * Connects to nothing yet.
   * @throws ClipError UNSUPPORTED naming what to install
   */
  static async at(address: PostgresAddress): Promise<Postgres> {
    const { Pool, copyFrom } = await postgresPackages();
    const pool = new Pool({
      connectionString: address.server,
      max: AT_ONCE + 1, // and the writer's
      connectionTimeoutMillis: address.patience,
      query_timeout: ANSWER_MS,
      keepAlive: true,
      fallback_application_name: `edgeclip, process ${process.pid}`,
      onConnect: useVector,
    });
    return new Postgres(address, pool, copyFrom);
  }

  /** Work on a connection of its own. @throws ClipError IO, INDEX_FORMAT */
  async with<T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    return this.#turns.run(async () => {
      const session = await this.hold();
      let broken = true;
      try {
        signal?.throwIfAborted(); // while it waited
        const result = await abortable(work(session), signal);
        broken = false;
        return result;
      } catch (error) {
        throw signal?.aborted ? error : postgresError(this.name, 'read', error);
      } finally {
        session.release(broken);
      }
    });
  }

  /** Reads the database as it is at one moment. */
  snapshot<T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
    return this.with((session) => session.transaction(begin, () => work(session)), signal);
  }

  /** A connection to be kept until it is released. @throws ClipError IO */
  async hold(): Promise<Session> {
    try {
      return new Session(await this.#pool.connect(), this.#schema, this.#copyFrom);
    } catch (error) {
      throw postgresError(this.name, 'open', error);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

async function useVector(client: { query(sql: string): Promise<unknown> }): Promise<void> {
  await client.query(
    `SELECT set_config('search_path', concat_ws(',', quote_ident(nspname), current_setting('search_path')), false)
     FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'`,
  );
}

/** SQLSTATEs of a server that ends the connection: its connection classes, a shutdown, a timeout of an idle session. */
const ENDS = /^(08...|57P0.|25P03)$/;

/** Whether no statement may follow: the server says that it ends, or an answer is still to come. */
function endsConnection(error: unknown): boolean {
  const { code = '', message } = error as { code?: string; message: string };
  return ENDS.test(code) || message === 'Query read timeout';
}

/** The result, or the signal's reason as soon as it is aborted. */
async function abortable<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return result;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    result.catch(() => {}); // its connection is ended
  }
}
