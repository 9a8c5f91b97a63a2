/** The photos that an index has, by their paths and by their content. */
import type { Photo } from './photo-store.ts';

export class KnownPhotos {
  readonly #byPath = new Map<string, Photo>();
  readonly #byHash = new Map<string, Photo[]>();

  constructor(photos: Iterable<Photo>) {
    for (const photo of photos) this.add(photo);
  }

  at(path: string): Photo | undefined {
    return this.#byPath.get(path);
  }

  /** In the order in which they were added. */
  ofContent(hash: string): readonly Photo[] {
    return this.#byHash.get(hash) ?? [];
  }

  all(): Iterable<Photo> {
    return this.#byPath.values();
  }

  /** In place of what was at its path. */
  add(photo: Photo): void {
    this.forget(photo.path);
    this.#byPath.set(photo.path, photo);
    const same = this.#byHash.get(photo.hash);
    if (same) same.push(photo);
    else this.#byHash.set(photo.hash, [photo]);
  }

  forget(path: string): void {
    const photo = this.#byPath.get(path);
    if (!photo) return;
    this.#byPath.delete(path);
    const same = this.#byHash.get(photo.hash)!.filter(({ id }) => id !== photo.id);
    if (same.length > 0) this.#byHash.set(photo.hash, same);
    else this.#byHash.delete(photo.hash);
  }
}
