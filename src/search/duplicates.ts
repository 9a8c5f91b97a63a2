/** Groups of photos that are nearly equal: exact copies by their content, others by the cosines of their vectors. */
import { similarity } from '../similarity.ts';
import type { Photo, PhotoStore } from './photo-store.ts';

export interface DuplicatePhoto extends Photo {
  /** Cosine with the group's first photo. */
  readonly similarity: number;
}

export interface DuplicateGroup {
  /** Whether all files have the same bytes. */
  readonly exact: boolean;
  /** In the order in which they were added. */
  readonly photos: readonly DuplicatePhoto[];
}

/** Photos that are looked at around each one; doubled while all of them are near enough. */
const NEIGHBORS = 16;

/**
 * Groups of two and more, those of exact copies first. Two photos are in one group if a chain of photos leads from one to the
 * other in which each has a cosine of at least `threshold` with the next. That is one search for each content, so the time grows
 * with the square of their number.
 * @param onProgress called after each content
 * @throws ClipError IO if the index cannot be read
 */
export async function duplicateGroups(
  store: PhotoStore,
  threshold: number,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<DuplicateGroup[]> {
  const contents = new Map<string, Photo[]>();
  for (const photo of await store.photos()) {
    const same = contents.get(photo.hash);
    if (same) same.push(photo);
    else contents.set(photo.hash, [photo]);
  }
  // One photo stands for each content.
  const first = [...contents.values()].map(([photo]) => photo!);
  const ids = new Set(first.map(({ id }) => id));
  const groups = new Components(ids);
  for (const [i, photo] of first.entries()) {
    const vector = await store.vector(photo.id);
    for (let k = NEIGHBORS; vector; k *= 2) {
      const found = await store.search(vector, k, { filter: (id) => ids.has(id) });
      const near = found.filter(({ similarity }) => similarity >= threshold);
      for (const { id } of near) groups.join(photo.id, id);
      if (near.length < k) break;
    }
    onProgress(i + 1, first.length);
  }
  const byRoot = new Map<number, Photo[]>();
  for (const photo of first) {
    const root = groups.root(photo.id);
    byRoot.set(root, [...(byRoot.get(root) ?? []), ...contents.get(photo.hash)!]);
  }
  const found = [...byRoot.values()].filter((photos) => photos.length > 1);
  const list = await Promise.all(found.map((photos) => withSimilarity(store, photos)));
  return [...list.filter(({ exact }) => exact), ...list.filter(({ exact }) => !exact)];
}

async function withSimilarity(store: PhotoStore, photos: readonly Photo[]): Promise<DuplicateGroup> {
  const ordered = [...photos].sort((a, b) => a.id - b.id);
  const vectors = await Promise.all(ordered.map(({ id }) => store.vector(id)));
  const cosine = (i: number) => {
    const [a, b] = [vectors[0], vectors[i]];
    return a && b ? similarity(a, b) : Number.NaN; // gone meanwhile
  };
  return {
    exact: ordered.every(({ hash }) => hash === ordered[0]!.hash),
    photos: ordered.map((photo, i) => ({ ...photo, similarity: photo.hash === ordered[0]!.hash ? 1 : cosine(i) })),
  };
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
