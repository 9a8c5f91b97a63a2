/** Groups of photos that are nearly equal: exact copies by their content, others by the cosines of their vectors. */
import { asCosine } from '../cosine.ts';
import { grouped } from '../grouped.ts';
import type { Photo, PhotoStore } from './photo-store.ts';
import { Records } from './records.ts';

export interface DuplicatePhoto extends Photo {
  /** Cosine with the group's first photo, as a search for that photo gives it; 1 for the same content. */
  readonly similarity: number;
}

export interface DuplicateGroup {
  /** Whether all files have the same bytes. */
  readonly exact: boolean;
  /** In the order in which they were added. */
  readonly photos: readonly DuplicatePhoto[];
}

/** Photos of other groups that are looked at around each one; doubled while all of them are near enough. */
const NEIGHBORS = 16;

export interface DuplicateOptions {
  /** Least cosine of two photos of a chain. */
  readonly threshold: number;
  /** Allows that some are missed, where that is faster, as in a search. Default: false. */
  readonly approximate?: boolean | undefined;
  /** Called after each content. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Groups of two and more, those of exact copies first. Two photos are in one group if a chain of photos leads from one to the
 * other in which each has a cosine of at least `threshold` with the next. That is one search for each content, so the time grows
 * with the square of their number.
 * @throws ClipError IO if the index cannot be read
 */
export async function duplicateGroups(
  store: PhotoStore,
  { threshold, approximate, onProgress }: DuplicateOptions,
): Promise<DuplicateGroup[]> {
  const contents = grouped(await store.photos(), ({ hash }) => hash);
  // One photo stands for each content.
  const first = [...contents.values()].map(([photo]) => photo!);
  const ids = new Set(first.map(({ id }) => id));
  const groups = new Components(ids);
  for (const [i, photo] of first.entries()) {
    const vector = await store.vector(photo.id);
    for (let k = NEIGHBORS; vector; k *= 2) {
      // Those of its group need no other link to it: ten thousand frames of a camera that stands still are one group at once.
      const group = groups.root(photo.id);
      const found = await store.search(vector, k, { filter: (id) => ids.has(id) && groups.root(id) !== group, approximate }); // biome-ignore format: one line
      const near = found.filter(({ similarity }) => similarity >= threshold);
      for (const { id } of near) groups.join(photo.id, id);
      if (near.length < k) break;
    }
    onProgress?.(i + 1, first.length);
  }
  const byRoot = new Map<number, Photo[]>();
  for (const photo of first) {
    const root = groups.root(photo.id);
    byRoot.set(root, [...(byRoot.get(root) ?? []), ...contents.get(photo.hash)!]);
  }
  const found = [...byRoot.values()].filter((photos) => photos.length > 1);
  const records = await Records.create(store.dimension);
  const list: DuplicateGroup[] = [];
  for (const photos of found) list.push(await withSimilarities(store, records, photos));
  return [...list.filter(({ exact }) => exact), ...list.filter(({ exact }) => !exact)];
}

async function withSimilarities(
  store: PhotoStore,
  records: Records,
  photos: readonly Photo[],
): Promise<DuplicateGroup> {
  const ordered = [...photos].sort((a, b) => a.id - b.id);
  const [first] = ordered;
  const vector = await store.vector(first!.id);
  const query = vector && records.query(records.normalized(vector));
  const list: DuplicatePhoto[] = [];
  for (const photo of ordered) {
    const other = photo.hash === first!.hash ? undefined : await store.vector(photo.id);
    const product = query && other && records.products(query, other, store.dimension, 1)[0];
    // One that is gone meanwhile has no cosine.
    list.push({ ...photo, similarity: photo.hash === first!.hash ? 1 : asCosine(product ?? Number.NaN) });
  }
  return { exact: ordered.every(({ hash }) => hash === first!.hash), photos: list };
}

/** Connected components: each points to one that stands for it (union-find with path halving). */
class Components {
  readonly #parents: Map<number, number>;

  constructor(ids: Iterable<number>) {
    this.#parents = new Map(Array.from(ids, (id) => [id, id]));
  }

  root(id: number): number {
    const parents = this.#parents;
    for (let parent = parents.get(id)!; parent !== id; parent = parents.get(id)!) {
      const above = parents.get(parent)!;
      parents.set(id, above);
      id = above;
    }
    return id;
  }

  join(a: number, b: number): void {
    this.#parents.set(this.root(a), this.root(b));
  }
}
