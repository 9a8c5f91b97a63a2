/** The tables of a photo index in SQLite, and the steps from each version to the next. */
import { ClipError } from '../errors.ts';
import { type About, aboutEntries, aboutOf } from './about.ts';
import type { NewPhotoStore } from './photo-store.ts';
import type { Sqlite } from './sqlite.ts';

/** "eclp" in SQLite's header: tells our files from those of other programs. */
const APPLICATION_ID = 0x65636c70;

/**
 * Of a new file. Seven vectors of 512 numbers are in a page; of SQLite's default, 4096 bytes, each would take one for itself, and the
 * file twice the space.
 */
const PAGE_BYTES = 16_384;

/** Step i leads from version i to version i + 1. A step that was released never changes. */
const STEPS: readonly string[] = [
  `CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE photos (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     path TEXT NOT NULL UNIQUE,
     size INTEGER NOT NULL,
     mtime INTEGER NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;
   CREATE INDEX photos_hash ON photos (hash);
   CREATE TABLE vectors (id INTEGER PRIMARY KEY REFERENCES photos ON DELETE CASCADE, vector BLOB NOT NULL) STRICT;
   CREATE TABLE failures (
     path TEXT PRIMARY KEY,
     size INTEGER NOT NULL,
     mtime INTEGER NOT NULL,
     error TEXT NOT NULL
   ) STRICT;`,
];

/**
 * Brings a file to the present version, in one transaction; makes the tables of a new one.
 * @throws ClipError INDEX_FORMAT if it is of a later version or of another program, or empty and not to be made
 */
export function migrate(database: Sqlite, name: string, create: NewPhotoStore | undefined): void {
  const before = checkVersion(database, name, create !== undefined);
  if (before === STEPS.length) return;
  if (before === 0) database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  database.exec('BEGIN IMMEDIATE');
  try {
    const version = checkVersion(database, name, create !== undefined); // another process may have been faster
    for (const step of STEPS.slice(version)) database.exec(step);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${STEPS.length}`);
    if (version === 0 && create) writeAbout(database, create);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

function checkVersion(database: Sqlite, name: string, mayCreate: boolean): number {
  const pragma = (key: string) => database.prepare(`PRAGMA ${key}`).get()![key] as number;
  const version = pragma('user_version');
  const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table'").get()!.n as number;
  const fail = (message: string): never => {
    throw new ClipError('INDEX_FORMAT', `"${name}" ${message}`);
  };
  if (tables === 0 && version === 0) return mayCreate ? 0 : fail('is empty: it is not an index of edgeclip');
  if (pragma('application_id') !== APPLICATION_ID) fail('is a database of another program');
  if (version > STEPS.length) fail(`has version ${version}: a later edgeclip wrote it, this one reads ${STEPS.length}`);
  return version;
}

function writeAbout(database: Sqlite, create: NewPhotoStore): void {
  const insert = database.prepare('INSERT INTO about (key, value) VALUES (?, ?)');
  for (const entry of Object.entries(aboutEntries(create))) insert.run(...entry);
}

/** @throws ClipError INDEX_FORMAT */
export function readAbout(name: string, database: Sqlite): About {
  const rows = database.prepare('SELECT key, value FROM about').all();
  return aboutOf(name, new Map(rows.map(({ key, value }) => [key as string, value as string])));
}
