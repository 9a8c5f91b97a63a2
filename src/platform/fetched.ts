/** Files at addresses, where a runtime has `fetch`. */
import { ClipError } from '../errors.ts';
import { fetchReason } from '../fetch-reason.ts';
import type { OpenOptions } from '../hub/access.ts';
import { isCompressed, statedLength } from '../weights/fetched-files.ts';
import { BLOCK, changed, type FetchRange, LIST_BLOCK, rangedSource } from '../weights/ranged-source.ts';
import { singleFile } from '../weights/single-file.ts';
import type { ModelFiles } from '../weights/source.ts';
import { blobSource, type Source } from '../weights/source.ts';
import { StreamSource } from '../weights/stream-source.ts';

/** The largest text file of a model, in bytes: a tokenizer of a million tokens takes a third of it. */
const MAX_TEXT = 128 << 20;

/**
 * A model's folder: the address that the names of its files are appended to. A file that answers 404 is not there.
 * @throws ClipError IO for what is not an address
 */
export function directoryFiles(directory: string, fetcher: typeof fetch = globalFetch, listOnly = false): ModelFiles {
  const base = absolute(directory.endsWith('/') ? directory : `${directory}/`);
  const find = async (name: string) => {
    const response = await get(new URL(name, base).href, { fetcher, expected: [404, 410] });
    if (response.ok) return response;
    await response.body?.cancel().catch(() => {});
    return undefined;
  };
  return {
    name: directory,
    text: async (name) => {
      const response = await find(name);
      const size = Number(response?.headers.get('content-length'));
      if (response && size > MAX_TEXT) {
        await response.body?.cancel().catch(() => {});
        throw new ClipError('IO', `"${response.url}" has ${size} bytes, expected a text of at most ${MAX_TEXT}`);
      }
      return response && body(response, 'text');
    },
    source: (name) => fileSource(new URL(name, base).href, fetcher, listOnly),
  };
}

/** A model's folder, or its file of weights with its folder, at an address. @throws ClipError IO for what is not an address */
export function modelAddress(address: string, { fetch, inParts }: OpenOptions): ModelFiles {
  const folder = (directory: string) => directoryFiles(directory, fetch, inParts);
  return singleFile(address, folder) ?? folder(address);
}

/** Not `fetch` itself: in browsers it must be called as the global's method, and tests replace it. */
const globalFetch: typeof fetch = (input, init) => fetch(input, init);

/**
 * A file as a source, undefined if there is none. Its first block is fetched; where the server gives ranges, the others when
 * they are needed, so that a tower's tensors come alone. Else the whole file came.
 * @param listOnly only the list of its tensors is wanted
 */
async function fileSource(address: string, fetcher: typeof fetch, listOnly: boolean): Promise<Source | undefined> {
  const block = listOnly ? LIST_BLOCK : BLOCK;
  const headers = { range: `bytes=0-${block - 1}` };
  const response = await get(address, { fetcher, headers, expected: [404, 410, 416] });
  if (response.status === 416) return responseSource(await get(address, { fetcher })); // an empty file
  if (!response.ok) {
    await response.body?.cancel().catch(() => {});
    return undefined;
  }
  const [, last, total] = /^bytes 0-(\d+)\/(\d+)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (response.status !== 206) return responseSource(response);
  if (isCompressed(response) || total === undefined || Number(last) + 1 !== Math.min(block, Number(total))) {
    // Another origin may hide how long the file is.
    await response.body?.cancel().catch(() => {});
    return responseSource(await get(address, { fetcher }));
  }
  const first = new Uint8Array(await body(response, 'arrayBuffer'));
  // Compressed on its way, and another origin does not say so.
  if (first.byteLength !== Number(last) + 1) return responseSource(await get(address, { fetcher }));
  const { url } = response;
  const size = Number(total);
  const fetchRange: FetchRange = async (start, end) => {
    const part = await get(address, { fetcher, headers: { range: `bytes=${start}-${end - 1}` } });
    if (part.status === 200) return responseSource(part);
    const length = Number(/\/(\d+)$/.exec(part.headers.get('content-range') ?? '')?.[1] ?? size);
    if (length !== size) throw changed(url, size, length);
    const bytes = new Uint8Array(await body(part, 'arrayBuffer'));
    if (bytes.byteLength === end - start) return bytes;
    throw new ClipError('IO', `"${url}": ${bytes.byteLength} bytes came for ${start} to ${end}`);
  };
  return rangedSource(url, size, fetchRange, { first, listOnly });
}

/** The file at an address, read as it arrives, so that loading shows how far the transfer is. @throws ClipError IO */
export async function fetchSource(address: URL): Promise<Source> {
  const response = await get(address.href);
  const byteLength = statedLength(response);
  if (byteLength === undefined || response.body === null) return responseSource(response);
  let next: Response | undefined = response;
  const open = async () => {
    const { body } = next ?? (await get(address.href));
    next = undefined;
    return { stream: body!, offset: 0 };
  };
  return new StreamSource(open, byteLength, response.url, () => next?.body?.cancel());
}

/** The text at an address. @throws ClipError IO */
export async function fetchText(address: URL): Promise<string> {
  return body(await get(address.href), 'text');
}

/** The bytes at an address, which may be relative to the page's. @throws ClipError IO */
export async function readAddress(address: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await body(await get(absolute(address).href), 'arrayBuffer'));
}

/** There are no files here to read by a `file:` URL. @throws ClipError UNSUPPORTED */
// biome-ignore lint/correctness/useYield: it only throws
export async function* readFileUrl(href: string, ..._: [number, unknown]): AsyncGenerator<Uint8Array, void> {
  throw new ClipError('UNSUPPORTED', `cannot read "${href}": this runtime gives no access to files by their URL`);
}

/** A blob is kept by a browser outside of the script's memory, and read from there into the wasm memory. */
async function responseSource(response: Response): Promise<Source> {
  return blobSource(await body(response, 'blob'), response.url);
}

/** What relative addresses are relative to; by default to the page's, or the worker script's. */
let base: string | undefined;

/** Resolves relative addresses against another one: in the worker of `edgeclip/worker`, the page's. */
export function resolveAgainst(address: string | undefined): void {
  base = address;
}

function absolute(address: string): URL {
  try {
    return new URL(address, base ?? (globalThis.location?.href || undefined));
  } catch (cause) {
    throw new ClipError('IO', `"${address}" is not an address that can be fetched here`, { cause });
  }
}

/**
 * Fetches what is there, or gets one of these statuses.
 * @throws ClipError IO for any other answer, or none
 */
async function get(
  address: string,
  { expected = [], headers, fetcher = globalFetch }: GetOptions = {},
): Promise<Response> {
  const response = await fetcher(address, headers && { headers }).catch((cause) => {
    throw new ClipError('IO', `cannot fetch "${address}": ${fetchReason(cause)}`, { cause });
  });
  if (response.ok || expected.includes(response.status)) return response;
  throw new ClipError('IO', `cannot fetch "${response.url}": status ${response.status}`);
}

interface GetOptions {
  readonly expected?: readonly number[];
  readonly headers?: Record<string, string>;
  readonly fetcher?: typeof fetch | undefined;
}

interface Bodies {
  arrayBuffer: ArrayBuffer;
  blob: Blob;
  text: string;
}

/** A response's body. @throws ClipError IO if it breaks off */
async function body<Kind extends keyof Bodies>(response: Response, kind: Kind): Promise<Bodies[Kind]> {
  try {
    return (await response[kind]()) as Bodies[Kind];
  } catch (cause) {
    throw new ClipError('IO', `cannot fetch "${response.url}": it broke off: ${(cause as Error).message}`, { cause });
  }
}
