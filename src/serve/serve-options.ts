/** Options of a server. */
import type { OptionType } from '../options.ts';
import type { PhotoStore } from '../search/photo-store.ts';
import type { Log } from './log.ts';
import type { FetchPicture } from './pictures.ts';
import type { Site } from './site.ts';

export interface ServeOptions {
  /** Requests are refused with 429 when their work would wait longer than this, in seconds. Default 5. */
  readonly maxWait?: number | undefined;
  /** How long the first request waits for others that are computed with it, in ms. Default 2. */
  readonly gather?: number | undefined;
  /** Bytes of a request's body. Default 33,554,432 (32 MiB). */
  readonly maxBody?: number | undefined;
  /** Bytes of all bodies that are held at once. Default eight times `maxBody`. */
  readonly maxHeld?: number | undefined;
  /** How long a body may take to arrive, in seconds. Default 30. */
  readonly bodyTimeout?: number | undefined;
  /** Pixels of a picture, width times height. Default: the model's limit. */
  readonly maxPixels?: number | undefined;
  /** Labels whose vectors are kept, of all label sets together. Default 20,000. */
  readonly cachedLabels?: number | undefined;
  /** Requests must bring it, as `Authorization: Bearer KEY` or `X-API-Key: KEY`; `/health` and `/ready` need none. */
  readonly apiKey?: string | undefined;
  /** Whether requests to another host name than localhost are refused: for a server on a loopback address. Default false. */
  readonly localNames?: boolean | undefined;
  /** Origins whose pages may read answers; `*` is any. Default none. */
  readonly cors?: readonly string[] | undefined;
  /** Names of the model, the first of which answers give. Default: the model's own. */
  readonly names?: readonly string[] | undefined;
  /** The version that the description gives. */
  readonly version?: string | undefined;
  /** Gets pictures by their addresses. Default: addresses are refused. */
  readonly fetchPicture?: FetchPicture | undefined;
  /** A photo index of the same model, from `openPhotos` of `edgeclip/search`: for `POST /search`. */
  readonly photos?: PhotoStore | undefined;
  /** The page for people. @internal */
  readonly site?: Site | undefined;
  /** Gets a line for each request. Default: nothing is logged. */
  readonly log?: Log | undefined;
}

/** Their types. */
export const SERVE_OPTIONS: Readonly<Record<keyof ServeOptions, OptionType>> = {
  maxWait: 'number',
  gather: 'number',
  maxBody: 'number',
  maxHeld: 'number',
  bodyTimeout: 'number',
  maxPixels: 'number',
  cachedLabels: 'number',
  apiKey: 'string',
  localNames: 'boolean',
  cors: 'any',
  names: 'any',
  version: 'string',
  fetchPicture: 'function',
  photos: 'any',
  site: 'any',
  log: 'function',
};
