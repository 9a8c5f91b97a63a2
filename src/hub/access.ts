/** How a hub is reached: what every request to it needs. */
import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import type { LoadProgress } from '../weights/load-progress.ts';

export const HUB = 'https://huggingface.co';

/** The type of the global `fetch`, in programs that have one. */
export type Fetch = typeof globalThis extends { fetch: infer F }
  ? F
  : (address: string, init?: object) => Promise<unknown>;

/** The options of `loadClip` for models with a name. */
export interface HubOptions {
  /** Branch, tag or commit of a model on a hub, like `@revision` after its name. Default `main`. */
  readonly revision?: string | undefined;
  /** Token for private and gated models. Default in Node, Deno and Bun: `HF_TOKEN`, or what `hf auth login` stored. */
  readonly accessToken?: string | undefined;
  /** Folder of downloaded models, laid out as Python's huggingface_hub does. Default `HF_HUB_CACHE`, or `HF_HOME` with `/hub`. */
  readonly cacheDir?: string | undefined;
  /** Only what the cache has; nothing is requested. Default: whether `HF_HUB_OFFLINE` is set. */
  readonly localFilesOnly?: boolean | undefined;
  /** Replaces the global `fetch` for models with a name and for addresses. */
  readonly fetch?: Fetch | undefined;
}

/** What a model is opened with by its name, its address or its path. */
export interface OpenOptions extends HubOptions {
  /** Large files on a hub that are not in the cache are read in parts and not kept: for a look at their headers. */
  readonly inParts?: boolean | undefined;
  /** The only tower that is asked for, if it is one. */
  readonly tower?: Tower | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: LoadProgress | undefined;
}

/** What `HubOptions` come to in this runtime, and what a load brings along. */
export interface HubAccess {
  /** The hub's address without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly offline: boolean;
  readonly fetch: Fetch;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: LoadProgress | undefined;
  /** Only the lists of tensors are wanted: large files that are not in the cache are read in parts, and not kept. */
  readonly inParts?: boolean | undefined;
  /** The only tower that is asked for: its parts of large files are enough. */
  readonly tower?: Tower | undefined;
  /** How often a request is sent at most. */
  readonly attempts?: number | undefined;
}

/** What a load brings along. */
export type LoadAccess = Pick<HubAccess, 'signal' | 'onProgress' | 'inParts' | 'tower' | 'attempts'>;

/** @throws ClipError CONFIG for what is not an address of a server */
export function checkedEndpoint(text: string): string {
  const endpoint = text.trim().replace(/\/+$/, '');
  if (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)) return endpoint;
  throw new ClipError('CONFIG', `HF_ENDPOINT must be the address of a hub, as ${HUB}, got ${JSON.stringify(text)}`);
}
