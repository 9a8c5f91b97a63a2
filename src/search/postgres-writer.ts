/**
 * The one writer of an index: its connection holds an advisory lock until it ends. A writer that is killed loses its connection,
 * and with it the lock.
 */
import { ClipError } from '../errors.ts';
import type { Postgres, Session } from './postgres.ts';
import { postgresError } from './postgres-errors.ts';
import { LOCKS } from './postgres-schema.ts';

/** How long a new writer waits for one that was just killed, in milliseconds. */
const WAIT_MS = 2000;

/** The lock's key: ours, and the index's table. */
const KEY = `(${LOCKS}::bigint << 32) | '$schema.photos'::regclass::oid::bigint`;

/** What PostgreSQL says of who has the lock. */
const HOLDER = `
  SELECT application_name AS program, coalesce(host(client_addr), 'this machine') AS machine,
    to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since
  FROM pg_locks JOIN pg_stat_activity USING (pid)
  WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = ${LOCKS} AND objid = '$schema.photos'::regclass::oid`;

export class PostgresWriter {
  readonly #name: string;
  readonly #session: Session;
  /** Changes are made one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  /** What ended the connection. */
  #lost: unknown;

  private constructor(name: string, session: Session) {
    this.#name = name;
    this.#session = session;
  }

  /** @throws ClipError IO, saying who writes, if another process does */
  static async start(database: Postgres): Promise<PostgresWriter> {
    const session = await database.hold();
    try {
      // A machine that vanishes is missed after a minute and a half, not after hours.
      await session.rows(
        'SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3',
      );
      for (let waited = 0; ; waited += 100) {
        const [row] = await session.rows(`SELECT pg_try_advisory_lock(${KEY}) AS locked`);
        if (row!.locked) return new PostgresWriter(database.name, session);
        if (waited >= WAIT_MS) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const [holder] = await session.rows(HOLDER);
      const who = holder ? `: ${holder.program} on ${holder.machine}, since ${holder.since} UTC` : '';
      throw new ClipError('IO', `cannot write "${database.name}": another process is writing it${who}`);
    } catch (error) {
      session.release(true);
      throw postgresError(database.name, 'write', error);
    }
  }

  /** All of `work` or nothing. @throws ClipError IO */
  write<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      if (this.#lost !== undefined) {
        const message = `cannot write "${this.#name}": its connection was lost; open it again`;
        throw new ClipError('IO', message, { cause: this.#lost });
      }
      try {
        return await this.#session.transaction('BEGIN', () => work(this.#session));
      } catch (error) {
        if (!this.#session.isOpen) this.#lost = error;
        throw postgresError(this.#name, 'write', error);
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  end(): void {
    this.#session.release(true);
  }
}
