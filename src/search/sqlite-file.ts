/** An open SQLite file: its statements, prepared once, its transactions, and its failures as ours. */
import { ClipError } from '../errors.ts';
import type { Sqlite, Statement } from './sqlite.ts';

export class SqliteFile {
  /** What messages call it. */
  readonly name: string;
  readonly #database: Sqlite;
  readonly #statements = new Map<string, Statement>();

  constructor(name: string, database: Sqlite) {
    this.name = name;
    this.#database = database;
  }

  prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** @throws ClipError INDEX_FORMAT, IO */
  read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw sqliteError(this.name, 'read', error);
    }
  }

  /** Reads what is there at one moment. @throws ClipError INDEX_FORMAT, IO */
  readTogether(read: () => void): void {
    this.read(() => {
      this.#database.exec('BEGIN');
      try {
        read();
      } finally {
        this.#database.exec('COMMIT');
      }
    });
  }

  /** All that is written, or nothing. @throws ClipError INDEX_FORMAT, IO */
  transaction(write: () => void): void {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        write();
        this.#database.exec('COMMIT');
      } catch (error) {
        this.#database.exec('ROLLBACK');
        this.#statements.clear(); // in libsql, one that has failed fails once more
        throw error;
      }
    } catch (error) {
      throw sqliteError(this.name, 'write', error);
    }
  }

  /** @param merge puts the journal into the file, which can then be copied, or read where nothing can be written */
  close({ merge }: { readonly merge: boolean }): void {
    try {
      if (merge) this.#database.exec('PRAGMA journal_mode = DELETE');
    } catch {
      // A reader is there: the journal stays beside the file.
    }
    this.#database.close();
  }
}

/** What SQLite says of a file that is not ours, or of which a part is gone. */
const DAMAGED = /not a database|malformed|no such (table|column)/i;

/** SQLite's error as ours: INDEX_FORMAT if the file is at fault, else IO. */
export function sqliteError(name: string, doing: 'read' | 'write', cause: unknown): ClipError {
  if (cause instanceof ClipError) return cause;
  const { message } = cause as Error;
  if (DAMAGED.test(message)) {
    return new ClipError('INDEX_FORMAT', `"${name}" is not an index of edgeclip, or damaged: ${message}`, { cause });
  }
  const why = /locked|busy/i.test(message) ? 'another process is writing it' : message;
  return new ClipError('IO', `cannot ${doing} "${name}": ${why}`, { cause });
}
