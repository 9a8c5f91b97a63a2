/** The page for people: its files, and the photos of the index that it shows. */
import type { Photo } from '../search/photo-store.ts';

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly body: string;
}

export interface Site {
  /** By path, e.g. `/page.js`. */
  readonly files: ReadonlyMap<string, PageFile>;
  /** A PNG of a photo. @throws ClipError if the file is gone or is not a picture */
  thumbnail(photo: Photo): Promise<Uint8Array>;
  /** The photo itself. @throws ClipError IO */
  picture(photo: Photo): Promise<Uint8Array>;
}

/** Nothing but the page's own files; pictures also from memory, as they are fetched with the key. */
export const SITE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
  "form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/** What a photo is, by its first bytes; what is none of them is not shown by browsers. */
export function pictureType(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'image/jpeg';
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return 'image/png';
  if (bytes[8] === 0x57 && bytes[9] === 0x45) return 'image/webp';
  return 'application/octet-stream';
}
