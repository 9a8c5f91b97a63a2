/** The parts of a batch become photos of an index, in the same tables that `edgeclip index` makes. */
import { isUnchanged } from '../search/photo-file.ts';
import type { NewPhoto, Photo, PhotoChanges, PhotoFailure, PhotoStore } from '../search/photo-store.ts';
import { checkPart, partRows, readWhole, type StoredRow } from './part-reader.ts';
import { picturePlace } from './picture-place.ts';
import { type Plan, shardChecks } from './plan.ts';
import { plannedParts } from './planned-parts.ts';
import type { Storage } from './storage.ts';

export interface LoadCounts {
  added: number;
  /** Pictures that the index had with other content. */
  changed: number;
  /** Pictures that the index had where they were before `batch plan --moved`. */
  moved: number;
  /** Pictures that the index had with the same content, or had read from a file that is still the same. */
  unchanged: number;
  failed: number;
  /** Shards without a part. */
  missing: number;
}

/**
 * Adds the pictures of all parts that are there, each thousand together or not at all. What the index has already stays, so that a run
 * that was stopped goes on, and a batch that has grown can be loaded again. The index's paths are held meanwhile.
 * @param maker what has made the parts
 * @throws ClipError IO, PLAN_FORMAT if a part is damaged
 */
export async function loadParts(
  output: Storage,
  before: Plan,
  maker: string,
  store: PhotoStore,
  onPart?: (done: number, total: number) => void,
): Promise<LoadCounts> {
  const known = new Map((await store.photos()).map((photo) => [photo.path, photo]));
  const { plan, parts } = await plannedParts(output, before);
  const shards = await shardChecks(output, plan);
  const missing = plan.shards - parts.length;
  const counts: LoadCounts = { added: 0, changed: 0, moved: 0, unchanged: 0, failed: 0, missing };
  for (const [i, part] of parts.entries()) {
    onPart?.(i, parts.length);
    const summary = await checkPart(output, { head: plan.head, maker, shard: shards[part.part] }, part);
    const bytes = await readWhole(output, part, summary);
    for await (const rows of partRows(output, part.files.at(-1)!, bytes)) {
      const changes = changesOf(plan, rows, known, counts);
      if (Object.values(changes).some((list) => list.length > 0)) await store.change(changes);
    }
  }
  return counts;
}

function changesOf(
  { head, earlier }: Plan,
  rows: readonly StoredRow[],
  known: ReadonlyMap<string, Photo>,
  counts: LoadCounts,
): PhotoChanges {
  const add: NewPhoto[] = [];
  const move: NonNullable<PhotoChanges['move']>[number][] = [];
  const fail: PhotoFailure[] = [];
  const forget: string[] = [];
  for (const row of rows) {
    // The size and time of the file are not in a part: `edgeclip index` reads it once, and knows its content by the hash.
    const file = { path: picturePlace(head, row.key), size: 0, mtime: 0 };
    const places = earlier.map((head) => picturePlace(head, row.key)).filter((path) => path !== file.path);
    forget.push(...places);
    const hash = 'error' in row ? undefined : row.sha256;
    const had = known.get(file.path);
    // What `edgeclip index` has read since is newer than the batch.
    if (had && (had.hash === hash || isUnchanged(had))) {
      counts.unchanged++;
      continue;
    }
    if ('error' in row) {
      fail.push({ ...file, error: row.error });
      counts.failed++;
      continue;
    }
    const before = had ? undefined : places.map((path) => known.get(path)).find((photo) => photo?.hash === hash);
    if (before) {
      move.push({ ...file, id: before.id });
      counts.moved++;
    } else {
      add.push({ ...file, hash: row.sha256, vector: row.embedding });
      if (had) counts.changed++;
      else counts.added++;
    }
  }
  return { move, add, fail, forget };
}
