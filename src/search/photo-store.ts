/** A photo index in a database: what the index needs of it, whichever it is. */
import type { IndexModel, IndexModelInput } from './index-model.ts';

/** How an index's pictures are prepared: one way for all of them. */
export interface PictureOptions {
  /** Rotated upright by EXIF. */
  readonly orient: boolean;
  /** Large JPEGs decoded at a part of their size. */
  readonly scaled: boolean;
  /** Side of the pictures that the tower takes, in pixels. */
  readonly imageSize?: number | undefined;
}

/** A file and what tells whether it has changed. */
export interface PhotoFile {
  /** Absolute. Bytes that are not UTF-8 are U+DC80 to U+DCFF, as in Python. */
  readonly path: string;
  /** In bytes. 0, as `mtime`, for a photo that `edgeclip batch load` added and `edgeclip index` has not read: see `wasRead`. */
  readonly size: number;
  /** Time of the last change, in milliseconds since 1970; 0 for a photo that `edgeclip batch load` added. */
  readonly mtime: number;
}

/** The size and time of a file that `edgeclip index` has not read. */
export const UNREAD = { size: 0, mtime: 0 } as const;

/** Whether `edgeclip index` has read a photo's file: `edgeclip batch load` knows neither its size nor its time. */
export const wasRead = ({ size, mtime }: PhotoFile): boolean => size !== UNREAD.size || mtime !== UNREAD.mtime;

/** A photo in an index. */
export interface Photo extends PhotoFile {
  /** Never used again, also when the photo is gone. A file with other content is another photo. */
  readonly id: number;
  /** SHA-256 of the file's bytes, in hexadecimal digits. */
  readonly hash: string;
}

/** A photo that was found. */
export interface PhotoMatch extends Photo {
  /** Cosine with the query, -1 to 1. */
  readonly similarity: number;
}

/** A photo to add, with the vector of its picture, of any length (norm). */
export interface NewPhoto extends PhotoFile {
  readonly hash: string;
  readonly vector: Float32Array;
}

/** How much of the vector of what photos should not show is taken away, where nobody says otherwise. */
export const NOT_WEIGHT = 0.5;

/** A file that could not be read or embedded. */
export interface PhotoFailure extends PhotoFile {
  readonly error: string;
}

export interface PhotoSearchOptions {
  /** Which photos may be found, by their ids. Default: all. */
  readonly filter?: ((id: number) => boolean) | undefined;
  /**
   * Allows an answer that may lack some of the best, where that is faster: in PostgreSQL (docs/search.md has figures). What is found
   * has exact similarities. SQLite answers exactly all the same. Default: false.
   */
  readonly approximate?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Changes that are made together or not at all, in this order. */
export interface PhotoChanges {
  /** Photos that are gone, by id. */
  readonly remove?: readonly number[];
  /** The same content at another path or with another time: it keeps its id and vector. */
  readonly move?: readonly (PhotoFile & { readonly id: number })[];
  /** New photos. What was at their paths before is removed. */
  readonly add?: readonly NewPhoto[];
  /** Files that failed. What was at their paths before is removed. */
  readonly fail?: readonly PhotoFailure[];
  /** Paths whose failures are over. */
  readonly forget?: readonly string[];
}

/**
 * A photo index in a database. One process writes at a time, any number read meanwhile; each read sees all of a change or
 * nothing. In PostgreSQL a store that was not opened for reading only is the index's one writer until it is closed.
 */
export interface PhotoStore {
  /** What the index was opened with: a path or an address, without a password. */
  readonly name: string;
  readonly model: IndexModel;
  readonly dimension: number;
  readonly pictures: PictureOptions;
  count(): Promise<number>;
  /** All photos, in the order in which they were added. */
  photos(): Promise<Photo[]>;
  photo(id: number): Promise<Photo | undefined>;
  /** A photo's vector, of length 1: f32[dimension]. */
  vector(id: number): Promise<Float32Array | undefined>;
  /** Photos whose vectors are missing or cannot be right, as their length is not 1. All vectors are read. */
  damaged(): Promise<Photo[]>;
  failures(): Promise<PhotoFailure[]>;
  /**
   * The k photos whose vectors have the largest cosines with the query, best first; equal ones in the order in which they were
   * added.
   * @throws TypeError, RangeError for arguments that are not right; ClipError IO if the database cannot be read
   */
  search(query: ArrayLike<number>, k: number, options?: PhotoSearchOptions): Promise<PhotoMatch[]>;
  /**
   * @returns the ids of the photos that were added
   * @throws ClipError IO if it cannot be written, also because another process is writing
   */
  change(changes: PhotoChanges): Promise<number[]>;
  /**
   * Runs what adds very many photos. In PostgreSQL an index without photos gets its HNSW index when `work` has ended: that takes
   * less time than keeping it up to date. If `work` fails, the next `bulk` makes it; until then searches are exact.
   * @returns what `work` returns
   * @throws ClipError IO, and what `work` throws
   */
  bulk<T>(work: () => Promise<T>): Promise<T>;
  /** @throws ClipError INDEX_MODEL if another model made the vectors */
  checkModel(model: IndexModelInput): void;
  close(): Promise<void>;
}

/** A new index: the model of its vectors, their dimension, and how pictures are prepared. */
export interface NewPhotoStore {
  readonly model: IndexModelInput;
  readonly dimension: number;
  readonly pictures: PictureOptions;
}

export interface OpenPhotosOptions {
  /**
   * Makes the index if it is not there. One that is there must be of the same model and made with the same options for pictures.
   * Default: an index that is not there is an error.
   */
  readonly create?: NewPhotoStore | undefined;
  /** Opens it for reading only. Default: false. */
  readonly readOnly?: boolean | undefined;
}

/**
 * Opens a photo index.
 * @param address path of an SQLite file, or `postgres://user@host:port/database`, with `?index=NAME` for a further index there
 */
export type OpenPhotoStore = (address: string, options?: OpenPhotosOptions) => Promise<PhotoStore>;
