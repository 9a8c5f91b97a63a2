/**
 * What becomes of the pictures of a batch in an index. Where their files are on this machine the index is as `edgeclip index` would
 * have made it: a file with several paths is one photo, and photos whose files are gone are not there.
 */
import { dirname, resolve } from 'node:path';
import { fileIdentity } from '../file-identity.ts';
import { grouped } from '../grouped.ts';
import { RealPaths } from '../real-paths.ts';
import { EmptyFolders } from '../search/empty-folders.ts';
import { KnownPhotos } from '../search/known-photos.ts';
import { isAddress, isGone, isUnchanged } from '../search/photo-file.ts';
import {
  type NewPhoto,
  type Photo,
  type PhotoFailure,
  type PhotoFile,
  type PhotoStore,
  UNREAD,
} from '../search/photo-store.ts';
import type { StoredRow } from './part-reader.ts';
import { picturePlace } from './picture-place.ts';
import type { Plan } from './plan.ts';

export interface LoadCounts {
  added: number;
  /** Pictures that the index had with other content. */
  changed: number;
  /** Pictures that the index had where they were before `batch plan --moved`. */
  moved: number;
  /** Pictures that the index had with the same content, or had read from a file that is still the same. */
  unchanged: number;
  /** Further paths of files that the index has. */
  linked: number;
  /** Pictures that were left out, or whose photos were removed, as their files are gone. */
  gone: number;
  failed: number;
}

/** A picture of the batch, and where it is. */
interface Placed {
  readonly row: StoredRow;
  readonly path: string;
  /** Where it was, by earlier plans. */
  readonly earlier: readonly string[];
}

/** The size and time of the file are not in a part: `edgeclip index` reads it once, and knows its content by the hash. */
const fileOf = (path: string): PhotoFile => ({ path, ...UNREAD });

export class LoadedPictures {
  readonly counts: LoadCounts = { added: 0, changed: 0, moved: 0, unchanged: 0, linked: 0, gone: 0, failed: 0 };
  readonly #plan: Plan;
  readonly #known: KnownPhotos;
  readonly #includeGone: boolean;
  readonly #real = new RealPaths();
  readonly #folders = new EmptyFolders();

  /** @param photos what the index has */
  constructor(plan: Plan, photos: readonly Photo[], options: { readonly includeGone: boolean }) {
    this.#plan = plan;
    this.#known = new KnownPhotos(photos);
    this.#includeGone = options.includeGone;
  }

  /** Stores rows of a part, all or none. @throws ClipError IO */
  async store(rows: readonly StoredRow[], store: PhotoStore): Promise<void> {
    const remove: Photo[] = [];
    const move: { readonly photo: Photo; readonly file: PhotoFile }[] = [];
    const add: NewPhoto[] = [];
    const fail: PhotoFailure[] = [];
    const forget: string[] = [];
    const pictures = rows.map((row) => this.#placed(row));
    const others = this.#otherPaths(pictures);
    for (const picture of pictures) {
      const { row, path, earlier } = picture;
      forget.push(...earlier);
      const had = this.#known.at(path);
      if (await this.#wasRemoved(picture)) {
        if (had) remove.push(had);
        forget.push(path);
        this.counts.gone++;
        // What `edgeclip index` has read since is newer than the batch.
      } else if (had && (('sha256' in row && had.hash === row.sha256) || isUnchanged(had))) this.counts.unchanged++;
      else if ('error' in row) {
        // A picture that could not be reached, as on a disk that was not mounted, is not known to be another one now.
        if (!had || !row.error.endsWith('[IO]')) fail.push({ ...fileOf(path), error: row.error });
        this.counts.failed++;
      } else {
        const { sha256: hash, embedding: vector } = row;
        const link = isAddress(path) ? undefined : this.#known.ofFile(hash, path);
        const before = link ?? earlier.map((place) => this.#known.at(place)).find((photo) => photo?.hash === hash);
        if (others.has(picture) || (link && (this.#real.isReal(link.path) || !this.#real.isReal(path)))) {
          if (had) remove.push(had);
          forget.push(path);
          this.counts.linked++;
        } else if (before && !had) {
          move.push({ photo: before, file: fileOf(path) });
          this.counts.moved++;
        } else {
          add.push({ ...fileOf(path), hash, vector });
          if (had) this.counts.changed++;
          else this.counts.added++;
        }
      }
    }
    if ([remove, move, add, fail, forget].every((list) => list.length === 0)) return;
    const ids = await store.change({
      remove: remove.map(({ id }) => id),
      move: move.map(({ photo, file }) => ({ ...file, id: photo.id })),
      add,
      fail,
      forget,
    });
    for (const { path } of [...remove, ...move.map(({ photo }) => photo), ...fail]) this.#known.forget(path);
    for (const { photo, file } of move) this.#known.add({ ...photo, ...file });
    for (const [i, { path, size, mtime, hash }] of add.entries())
      this.#known.add({ id: ids[i]!, path, size, mtime, hash });
  }

  #placed(row: StoredRow): Placed {
    const path = picturePlace(this.#plan.head, row.key);
    const earlier = this.#plan.earlier.map((head) => picturePlace(head, row.key)).filter((place) => place !== path);
    return { row, path, earlier };
  }

  /** Those whose files have another of these paths, which is the one that an index has. */
  #otherPaths(pictures: readonly Placed[]): Set<Placed> {
    const others = new Set<Placed>();
    const files = pictures.filter(({ path }) => !isAddress(path));
    const byContent = grouped(files, ({ row }) => ('error' in row ? undefined : row.sha256));
    byContent.delete(undefined);
    for (const same of byContent.values()) {
      if (same.length === 1) continue;
      const byFile = grouped(
        same.filter(({ path }) => !isGone(path)),
        ({ path }) => fileIdentity(path),
      );
      for (const ofFile of byFile.values()) {
        const stays = this.#real.indexed(
          ofFile.map(({ path }) => path),
          (path) => this.#known.at(path) !== undefined,
        );
        for (const picture of ofFile) if (picture.path !== stays) others.add(picture);
      }
    }
    return others;
  }

  /** Whether its file is not there, but its folder has others. A list may name what never was there, which is an error to keep. */
  async #wasRemoved({ row, path }: Placed): Promise<boolean> {
    const { kind, input } = this.#plan.head;
    if (this.#includeGone || !isGone(path) || (kind === 'list' && 'error' in row)) return false;
    // Above its own folder, what a list has in common with this machine may be the root alone.
    const top = kind === 'list' ? dirname(path) : resolve(input);
    return this.#folders.hasOthers(path, (folder) => folder.length >= top.length);
  }
}
