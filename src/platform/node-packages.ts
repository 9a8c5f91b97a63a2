/** Optional packages in Node, Deno and Bun. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ClipError } from '../errors.ts';
import type { OptionalFormat } from './platform.ts';

const ENTRIES = { avif: 'icodec/node', heic: 'libheif-js/libheif-wasm/libheif-bundle.mjs' } as const;

/** Where packages are looked for that are not beside this one. */
let workingFolder: string | undefined;

/** For the command line, which may run from npx's cache while the packages are installed in the user's folder. */
export function alsoFindPackagesIn(folder: string): void {
  workingFolder = folder;
}

/** The literal names tell bundlers what is used, and `try` that it may be missing. */
export async function decoderPackage(format: OptionalFormat): Promise<unknown> {
  try {
    if (format === 'avif') return await import('icodec/node');
    return await import('libheif-js/libheif-wasm/libheif-bundle.mjs');
  } catch (error) {
    return importFromWorkingFolder(ENTRIES[format], error);
  }
}

/** The address of a format's package, for a worker: it has no folder, so no name leads it anywhere. */
export function decoderAddress(format: OptionalFormat): string | undefined {
  const path = resolve(ENTRIES[format], import.meta.dirname) ?? resolve(ENTRIES[format], workingFolder);
  return path && pathToFileURL(path).href;
}

/** Whether the package of a format is there, without loading it. */
export const hasDecoderPackage = (format: OptionalFormat): boolean => decoderAddress(format) !== undefined;

/** The client for PostgreSQL, and its COPY. @throws ClipError UNSUPPORTED naming what to install */
export async function postgresPackages(): Promise<{
  readonly Pool: typeof import('pg').Pool;
  readonly copyFrom: typeof import('pg-copy-streams').from;
}> {
  try {
    const pg = await import('pg').catch((error) => importFromWorkingFolder('pg', error));
    const copy = await import('pg-copy-streams').catch((error) => importFromWorkingFolder('pg-copy-streams', error));
    return { Pool: (pg.default ?? pg).Pool, copyFrom: (copy.default ?? copy).from };
  } catch (cause) {
    throw new ClipError(
      'UNSUPPORTED',
      'PostgreSQL needs the packages pg and pg-copy-streams: npm install pg pg-copy-streams',
      { cause },
    );
  }
}

/** A package of the user's folder. @throws the error if it is not there either */
export async function importFromWorkingFolder(entry: string, error: unknown) {
  const path = resolve(entry, workingFolder);
  if (path === undefined) throw error;
  return import(pathToFileURL(path).href);
}

function resolve(entry: string, folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  try {
    return createRequire(join(folder, 'any')).resolve(entry);
  } catch {
    return undefined;
  }
}
