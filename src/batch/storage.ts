/** Where a batch reads pictures and writes parts: a folder, or a bucket of object storage. */
import type { ClipError } from '../errors.ts';

/** A file of a storage. */
export interface StoredFile {
  /** Relative to the storage, with `/` between folders. */
  readonly name: string;
  readonly bytes: number;
  /** When it was written, in milliseconds. */
  readonly modified: number;
}

export interface ReadOptions {
  /** The bytes to read. Default: all of the file. */
  readonly start?: number;
  readonly end?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Files by name. A file is written whole and once: whoever comes second changes nothing, so that two workers that hold one
 * shard leave one part.
 */
export interface Storage {
  /** As the user gave it, for messages. */
  readonly place: string;
  /**
   * The bytes of a file; undefined if there is none of that name.
   * @throws ClipError IO; IMAGE_TOO_LARGE if it has more than `maxBytes`
   */
  read(name: string, options?: ReadOptions & { readonly maxBytes?: number }): Promise<Uint8Array | undefined>;
  /** The bytes of a file as they come. @throws ClipError IO, also if there is none of that name */
  stream(name: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  /**
   * Writes a new file. Returns false, and changes nothing, if there is one of that name.
   * @throws ClipError IO
   */
  create(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean>;
  /**
   * Removes what workers of this machine that were killed have left of files in these folders: '' or names that end with `/`.
   * @param onLeft called for what cannot be removed
   * @throws ClipError IO if a folder cannot be listed
   */
  tidy(folders: readonly string[], onLeft: (error: ClipError) => void): Promise<void>;
  /** Size and time of a file; undefined if there is none. @throws ClipError IO */
  find(name: string, signal?: AbortSignal): Promise<StoredFile | undefined>;
  /**
   * All files whose names begin so, sorted by name.
   * @param onUnlisted called for a subfolder or file that cannot be looked at; the rest is listed. Default: it is thrown
   * @throws ClipError IO
   */
  list(prefix: string, signal?: AbortSignal, onUnlisted?: (error: ClipError) => void): AsyncIterable<StoredFile>;
}

/** Whether a place is in object storage. */
export const isBucket = (place: string): boolean => /^s3:\/\//i.test(place);

/** The parts of `s3://bucket/prefix`. @throws RangeError if that is not a bucket's name */
export function bucketOf(place: string): { readonly bucket: string; readonly path: string } {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)\/?(.*)$/i.exec(place) ?? [];
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return { bucket, path };
  throw new RangeError(`expected s3://bucket or s3://bucket/prefix, got ${JSON.stringify(place)}`);
}

/** @throws RangeError if it is not an address */
export function checkEndpoint(address: string): void {
  if (/^https?:\/\/./.test(address) && URL.canParse(address)) return;
  throw new RangeError(`the endpoint must begin with http:// or https://, got ${JSON.stringify(address)}`);
}
