/** SQLite as this runtime has it: `bun:sqlite`, `node:sqlite`, or the package `libsql`. All three are called in one way. */
import { createRequire } from 'node:module';
import { ClipError } from '../errors.ts';

export type SqlValue = string | number | null | Uint8Array;

export type SqlRow = Record<string, SqlValue>;

export interface Statement {
  run(...values: SqlValue[]): void;
  get(...values: SqlValue[]): SqlRow | undefined;
  all(...values: SqlValue[]): SqlRow[];
}

export interface Sqlite {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** The three have these methods; libsql takes the values as one array. */
interface Driver {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...values: unknown[]): unknown;
    get(...values: unknown[]): unknown;
    all(...values: unknown[]): unknown;
  };
  close(): unknown;
}

/**
 * Opens a file, or makes it.
 * @param isReader whether it is only read. It is opened to be written where that is allowed, since the last one that closes it puts
 *   the journal of a killed writer into it
 * @throws ClipError UNSUPPORTED naming what to install, if this runtime has no SQLite; SQLite's own error if it cannot be opened
 */
export function openSqlite(path: string, isReader = false): Sqlite {
  const { driver, asArray } = open(path, isReader && !mayWrite(path));
  const values = (list: SqlValue[]): unknown[] => (asArray ? [list] : list);
  return {
    exec: (sql) => void driver.exec(sql),
    prepare(sql) {
      const statement = driver.prepare(sql);
      return {
        run: (...list) => void statement.run(...values(list)),
        get(...list) {
          const row = statement.get(...values(list)) as SqlRow | null | undefined;
          return row ? withBytes(row) : undefined;
        },
        all: (...list) => (statement.all(...values(list)) as SqlRow[]).map(withBytes),
      };
    },
    close: () => void driver.close(),
  };
}

/** libsql gives blobs as buffers of two kinds. */
function withBytes(row: SqlRow): SqlRow {
  for (const [name, value] of Object.entries(row) as [string, unknown][]) {
    if (ArrayBuffer.isView(value)) row[name] = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    else if (Object.prototype.toString.call(value) === '[object ArrayBuffer]')
      row[name] = new Uint8Array(value as ArrayBuffer);
  }
  return row;
}

type Open = new (path: string, options?: { readonly readOnly: boolean }) => Driver;

function open(path: string, readOnly: boolean): { driver: Driver; asArray: boolean } {
  if (process.versions.bun !== undefined) {
    const { Database } = builtin('bun:sqlite') as { Database: Open };
    return { driver: new Database(path), asArray: false };
  }
  const node = builtin('node:sqlite') as { DatabaseSync: Open } | undefined;
  if (node) return { driver: new node.DatabaseSync(path, { readOnly }), asArray: false };
  return { driver: new (libsql())(path), asArray: true };
}

/** Whether Deno lets this process write the file; other runtimes have no such permissions. */
function mayWrite(path: string): boolean {
  const { Deno } = globalThis as { Deno?: { permissions: { querySync(of: object): { readonly state: string } } } };
  return Deno === undefined || Deno.permissions.querySync({ name: 'write', path }).state === 'granted';
}

/** A module of the runtime, without the warning of Node that its SQLite may still change; undefined if there is none. */
function builtin(name: string): unknown {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.versions.bun === undefined ? process.getBuiltinModule(name) : require_(name);
  } finally {
    process.emitWarning = emitWarning;
  }
}

const require_ = (name: string): unknown => createRequire(import.meta.url)(name);

function libsql(): Open {
  try {
    return require_('libsql') as Open;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    const why = missing ? '' : `: libsql does not start: ${(cause as Error).message}`;
    throw new ClipError(
      'UNSUPPORTED',
      `this runtime has no SQLite${why}. Use Node.js 22.13 or newer, which has it, or install the package libsql: npm install libsql`,
      { cause },
    );
  }
}
