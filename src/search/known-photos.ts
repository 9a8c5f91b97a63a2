/** The photos that an index has, by their paths and by their content, and of one content by their files. */
import { fileIdentity } from '../file-identity.ts';
import { isGone, isSameFile } from './photo-file.ts';
import type { Photo } from './photo-store.ts';

export class KnownPhotos {
  readonly #byPath = new Map<string, Photo>();
  readonly #byHash = new Map<string, SameContent>();

  constructor(photos: Iterable<Photo>) {
    for (const photo of photos) this.add(photo);
  }

  at(path: string): Photo | undefined {
    return this.#byPath.get(path);
  }

  /** A photo of this content; the first that was added. */
  ofContent(hash: string): Photo | undefined {
    return this.#byHash.get(hash)?.first();
  }

  /** A photo of this content whose path leads to the file at another path. */
  ofFile(hash: string, path: string): Photo | undefined {
    return this.#byHash.get(hash)?.ofFile(path);
  }

  /** A photo of this content whose file is gone. @param isFree whether it may be this one */
  goneOf(hash: string, isFree: (photo: Photo) => boolean): Photo | undefined {
    return this.#byHash.get(hash)?.gone(isFree);
  }

  all(): Iterable<Photo> {
    return this.#byPath.values();
  }

  /** In place of what was at its path. */
  add(photo: Photo): void {
    this.forget(photo.path);
    this.#byPath.set(photo.path, photo);
    const same = this.#byHash.get(photo.hash) ?? new SameContent();
    same.add(photo);
    this.#byHash.set(photo.hash, same);
  }

  forget(path: string): void {
    const photo = this.#byPath.get(path);
    if (!photo) return;
    this.#byPath.delete(path);
    const same = this.#byHash.get(photo.hash)!;
    same.remove(photo);
    if (same.first() === undefined) this.#byHash.delete(photo.hash);
  }
}

/** Photos of one content, which may be very many. Each file is looked at once: to compare all pairs would take hours. */
class SameContent {
  /** By id, as all maps here, in the order in which they were added. */
  readonly #photos = new Map<number, Photo>();
  /** Those whose files nobody has asked for. */
  readonly #unseen = new Map<number, Photo>();
  readonly #gone = new Map<number, Photo>();
  readonly #byFile = new Map<string, Map<number, Photo>>();
  readonly #files = new Map<number, string>();

  add(photo: Photo): void {
    this.#photos.set(photo.id, photo);
    this.#unseen.set(photo.id, photo);
  }

  remove({ id }: Photo): void {
    for (const photos of [this.#photos, this.#unseen, this.#gone]) photos.delete(id);
    const file = this.#files.get(id);
    if (file === undefined) return;
    this.#files.delete(id);
    const same = this.#byFile.get(file)!;
    same.delete(id);
    if (same.size === 0) this.#byFile.delete(file);
  }

  first(): Photo | undefined {
    return firstOf(this.#photos, () => true);
  }

  ofFile(path: string): Photo | undefined {
    const file = isGone(path) ? undefined : fileIdentity(path);
    if (file === undefined) return undefined;
    this.#see();
    return firstOf(this.#byFile.get(file), (one) => isSameFile(one.path, path)); // it may be another one by now
  }

  gone(isFree: (photo: Photo) => boolean): Photo | undefined {
    this.#see();
    return firstOf(this.#gone, (one) => isFree(one) && isGone(one.path));
  }

  #see(): void {
    for (const [id, photo] of this.#unseen) {
      if (isGone(photo.path)) {
        this.#gone.set(id, photo);
        continue;
      }
      const file = fileIdentity(photo.path);
      if (file === undefined) continue;
      this.#files.set(id, file);
      const same = this.#byFile.get(file) ?? new Map<number, Photo>();
      this.#byFile.set(file, same.set(id, photo));
    }
    this.#unseen.clear();
  }
}

function firstOf(photos: ReadonlyMap<number, Photo> | undefined, is: (photo: Photo) => boolean): Photo | undefined {
  for (const photo of photos?.values() ?? []) if (is(photo)) return photo;
  return undefined;
}
