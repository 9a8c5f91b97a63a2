/** The packages that only batches need: optional peers, each loaded when it is used. */
import { ClipError } from '../errors.ts';
import { importFromWorkingFolder } from '../platform/node-packages.ts';

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
 * Loads one, from beside this package or from the user's folder.
 * @param purpose for the message, "to write Parquet"
 * @throws ClipError UNSUPPORTED, which says what to install
 */
export async function batchPackage<K extends keyof Packages>(name: K, purpose: string): Promise<Packages[K]> {
  try {
    return await LOADERS[name]().catch((error) => importFromWorkingFolder(name, error));
  } catch (cause) {
    throw missingPackage(name, purpose, cause);
  }
}

/** Says what to install. */
export const missingPackage = (name: string, purpose: string, cause: unknown): ClipError =>
  new ClipError('UNSUPPORTED', `${purpose} the package ${name} is needed: npm install ${name}`, { cause });
