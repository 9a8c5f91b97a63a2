/** Files at addresses, where a runtime has `fetch`. */
import { ClipError } from '../errors.ts';
import type { OpenOptions } from '../open-model.ts';
import { singleFile } from '../weights/single-file.ts';
import type { ModelFiles } from '../weights/source.ts';
import { blobSource, type Source } from '../weights/source.ts';

/** The largest text file of a model, in bytes: a tokenizer of a million tokens takes a third of it. */
const MAX_TEXT = 128 << 20;

/**
 * A model's folder: the address that the names of its files are appended to. A file that answers 404 is not there.
 * @throws ClipError IO for what is not an address
 */
export function directoryFiles(directory: string): ModelFiles {
  const base = absolute(directory.endsWith('/') ? directory : `${directory}/`);
  const find = async (name: string) => {
    const response = await get(new URL(name, base).href, [404, 410]);
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
    source: async (name) => {
      const response = await find(name);
      return response && responseSource(response);
    },
  };
}

/** A model's folder, or its file of weights with its folder, at an address. @throws ClipError IO for what is not an address */
export function modelAddress(address: string, _options: OpenOptions): ModelFiles {
  return singleFile(address, directoryFiles) ?? directoryFiles(address);
}

/** The file at an address as a source. @throws ClipError IO */
export async function fetchSource(address: URL): Promise<Source> {
  return responseSource(await get(address.href));
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
export async function readFileUrl(href: string, _checkBytes: (bytes: number) => void): Promise<Uint8Array> {
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
async function get(address: string, expected: readonly number[] = []): Promise<Response> {
  const response = await fetch(address).catch((cause) => {
    throw new ClipError('IO', `cannot fetch "${address}": ${(cause as Error).message}`, { cause });
  });
  if (response.ok || expected.includes(response.status)) return response;
  throw new ClipError('IO', `cannot fetch "${response.url}": status ${response.status}`);
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
