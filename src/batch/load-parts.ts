/** The parts of a batch become photos of an index, in the same tables that `edgeclip index` makes. */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { NewPhoto, PhotoFailure, PhotoStore } from '../search/photo-store.ts';
import { partRows, type StoredRow } from './part-reader.ts';
import { doneParts } from './parts.ts';
import type { PlanHead } from './plan.ts';
import { isBucket, type Storage } from './storage.ts';

export interface LoadCounts {
  added: number;
  /** Pictures that the index had, with the same vectors. */
  unchanged: number;
  failed: number;
}

/**
 * Adds the pictures of all parts that are there, each thousand together or not at all. What the index has already stays, so that a run
 * that was stopped goes on, and a batch that has grown can be loaded again. The index's paths are held meanwhile.
 * @throws ClipError IO, PLAN_FORMAT if a part is damaged
 */
export async function loadParts(
  output: Storage,
  head: PlanHead,
  store: PhotoStore,
  onPart?: (done: number, total: number) => void,
): Promise<LoadCounts> {
  const known = new Map((await store.photos()).map(({ path, hash }) => [path, hash]));
  const counts: LoadCounts = { added: 0, unchanged: 0, failed: 0 };
  const parts = await doneParts(output, head.layout);
  for (const [i, { files }] of parts.entries()) {
    onPart?.(i, parts.length);
    for await (const rows of partRows(output, files.at(-1)!)) {
      const { add, fail } = changes(head, rows);
      const isNew = add.filter(({ path, hash }) => known.get(path) !== hash);
      if (isNew.length + fail.length > 0) await store.change({ add: isNew, fail });
      counts.added += isNew.length;
      counts.unchanged += add.length - isNew.length;
      counts.failed += fail.length;
    }
  }
  return counts;
}

function changes(head: PlanHead, rows: readonly StoredRow[]): { add: NewPhoto[]; fail: PhotoFailure[] } {
  const add: NewPhoto[] = [];
  const fail: PhotoFailure[] = [];
  for (const row of rows) {
    // The size and time of the file are not in a part: `edgeclip index` reads it again.
    const file = { path: picturePlace(head, row.key), size: 0, mtime: 0 };
    if ('error' in row) fail.push({ ...file, error: row.error });
    else add.push({ ...file, hash: vectorHash(row.embedding), vector: row.embedding });
  }
  return { add, fail };
}

/** Where a picture is: an absolute path, or an address. */
function picturePlace({ kind, input, base }: PlanHead, key: string): string {
  if (kind === 'list') return /^(https?|s3):\/\//i.test(key) ? key : resolve(base, key);
  return isBucket(input) ? `${input.replace(/\/$/, '')}/${key}` : join(input, key);
}

/** In place of the hash of a file that was not read: copies of a picture have the same vector. */
const vectorHash = (vector: Float32Array): string => createHash('sha256').update(vector).digest('hex');
