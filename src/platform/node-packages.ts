/** Optional packages in Node, Deno and Bun. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
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
    const path = resolve(format, workingFolder);
    if (path === undefined) throw error;
    return import(pathToFileURL(path).href);
  }
}

/** Whether the package of a format is there, without loading it. */
export const hasDecoderPackage = (format: OptionalFormat): boolean =>
  resolve(format, import.meta.dirname) !== undefined || resolve(format, workingFolder) !== undefined;

function resolve(format: OptionalFormat, folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  try {
    return createRequire(join(folder, 'any')).resolve(ENTRIES[format]);
  } catch {
    return undefined;
  }
}
