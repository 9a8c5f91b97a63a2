/** A model behind a fetch: static assets of a worker, a bucket, a web server. */

import { BUFFER, ByteReader, type ByteStream } from '../byte-reader.ts';
import { ClipError } from '../errors.ts';
import { fetchReason } from '../fetch-reason.ts';
import type { ModelFiles, Source } from './source.ts';
import { type OpenedStream, StreamSource } from './stream-source.ts';

/** The largest text file of a model, in bytes: a tokenizer of a million tokens takes a third of it. */
const MAX_TEXT = 128 << 20;

/** What a fetch answers, as far as it is used here. */
export interface FetchedResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: object | null;
  text(): Promise<string>;
}

/** Fetches an address; `headers` may have a `range`, which need not be heeded. */
export type Fetch = (address: string, init: { headers: Record<string, string> }) => Promise<FetchedResponse>;

/**
 * A model's files below an address, fetched as the caller says. Weights are streamed to their final place (`streamSource`). A
 * file that answers 404 or 410 is not there.
 * @param address what the names of the files are appended to
 * @param fetch default the global one
 * @throws TypeError for what is not an address; the files' methods throw ClipError IO for other statuses and broken answers
 * @example
 * const files = fetchedFiles('https://assets.local/model/', (address, init) => env.ASSETS.fetch(address, init));
 * const clip = await loadClip(files, { towers: ['image'] });
 */
export function fetchedFiles(
  address: string | { readonly href: string },
  fetch: Fetch = (address, init) => globalThis.fetch(address, init),
): ModelFiles {
  const folder = typeof address === 'string' ? address : address.href;
  const base = new URL(folder.endsWith('/') ? folder : `${folder}/`);
  const get = async (name: string, headers: Record<string, string> = {}): Promise<FetchedResponse | undefined> => {
    const { href } = new URL(name, base);
    const response = await fetch(href, { headers }).catch((cause) => {
      throw new ClipError('IO', `cannot fetch "${href}": ${fetchReason(cause)}`, { cause });
    });
    if (response.status === 200 || response.status === 206) return response;
    await drop(response);
    if (response.status === 404 || response.status === 410) return undefined;
    throw new ClipError('IO', `cannot fetch "${href}": status ${response.status}`);
  };
  return {
    name: folder,
    async text(name) {
      const response = await get(name);
      const size = Number(response?.headers.get('content-length'));
      if (response && size > MAX_TEXT) {
        await drop(response);
        throw new ClipError(
          'IO',
          `"${new URL(name, base).href}" has ${size} bytes, expected a text of at most ${MAX_TEXT}`,
        );
      }
      return response?.text().catch((cause) => {
        throw new ClipError('IO', `cannot fetch "${new URL(name, base).href}": it broke off: ${cause.message}`, {
          cause,
        });
      });
    },
    async source(name) {
      const response = await get(name);
      return response && fileSource(new URL(name, base).href, response, (headers) => get(name, headers));
    },
  };
}

/** The file of an answer; asks again where earlier bytes are needed once more, or to learn the length. */
async function fileSource(
  href: string,
  first: FetchedResponse,
  again: (headers: Record<string, string>) => Promise<FetchedResponse | undefined>,
): Promise<Source> {
  const stated = statedLength(first);
  const byteLength = stated ?? (await countBytes(first, href));
  let next = stated === undefined ? undefined : first;
  const open = async (offset: number): Promise<OpenedStream> => {
    const response = next ?? (await again(offset > 0 ? { range: `bytes=${offset}-` } : {}));
    next = undefined;
    if (!response?.body) throw new ClipError('IO', `cannot fetch "${href}": there is no body`);
    return { stream: response.body as ByteStream, offset: response.status === 206 ? offset : 0 };
  };
  return new StreamSource(open, byteLength, href, () => next && drop(next));
}

/** Whether the body was compressed on its way: lengths and places of it are not those of the file. */
export function isCompressed({ headers }: Pick<FetchedResponse, 'headers'>): boolean {
  return !/^(?:identity)?$/i.test(headers.get('content-encoding') ?? '');
}

/** The length of the body, if the answer says it. */
export function statedLength(response: Pick<FetchedResponse, 'headers'>): number | undefined {
  if (isCompressed(response)) return undefined;
  const length = response.headers.get('content-length');
  return length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
}

/** Reads to the end and keeps nothing. */
async function countBytes({ body }: FetchedResponse, href: string): Promise<number> {
  if (!body) return 0;
  const reader = new ByteReader(body as ByteStream);
  for (let bytes = 0; ; ) {
    const read = await reader.read(BUFFER).catch((cause) => {
      throw new ClipError('IO', `cannot fetch "${href}": it broke off: ${(cause as Error)?.message ?? cause}`, {
        cause,
      });
    });
    if (!read) return bytes;
    bytes += read.byteLength;
  }
}

/** A body that nobody reads keeps its connection. */
async function drop({ body }: FetchedResponse): Promise<void> {
  await (body as { cancel?(): Promise<void> } | null)?.cancel?.().catch(() => {});
}
