/** The packages that only batches need: optional peers, each loaded when it is used. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ClipError } from '../errors.ts';

interface Packages {
  readonly 'hyparquet-writer': typeof import('hyparquet-writer');
  readonly hyparquet: typeof import('hyparquet');
  readonly aws4fetch: typeof import('aws4fetch');
  readonly 'modern-tar': typeof import('modern-tar');
  readonly bullmq: typeof import('bullmq');
}

/** The literal names tell bundlers what is used. */
const LOADERS: { readonly [K in keyof Packages]: () => Promise<Packages[K]> } = {
  'hyparquet-writer': () => import('hyparquet-writer'),
  hyparquet: () => import('hyparquet'),
  aws4fetch: () => import('aws4fetch'),
  'modern-tar': () => import('modern-tar'),
  bullmq: () => import('bullmq'),
};

/**
 * Loads one, from beside this package or from the folder that the command runs in.
 * @param purpose for the message, "to write Parquet"
 * @throws ClipError UNSUPPORTED, which says what to install
 */
export async function batchPackage<K extends keyof Packages>(name: K, purpose: string): Promise<Packages[K]> {
  try {
    return await LOADERS[name]();
  } catch (cause) {
    const path = installed(name);
    if (path !== undefined) return (await import(pathToFileURL(path).href)) as Packages[K];
    throw new ClipError('UNSUPPORTED', `${purpose} the package ${name} is needed: npm install ${name}`, { cause });
  }
}

function installed(name: string): string | undefined {
  try {
    return createRequire(join(process.cwd(), 'any')).resolve(name);
  } catch {
    return undefined;
  }
}
