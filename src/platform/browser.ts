/** Browsers: kernels lie beside the script, models at addresses; both are fetched. Threads need a cross-origin isolated page. */
import type { KernelVariant } from '../engine/kernels.ts';
import { importSharedMemory } from '../engine/shared-import.ts';
import { WORKER_SOURCE } from '../engine/threads/worker-source.ts';
import { ClipError } from '../errors.ts';
import type { CodecName } from '../image/codecs.ts';
import type { ModelFiles } from '../weights/model-files.ts';
import { blobSource } from '../weights/source.ts';
import { CODEC_FILES } from './codec-files.ts';
import type { StartThread } from './platform.ts';

/** The kernels; written so that bundlers see each file. */
const KERNELS: Record<KernelVariant, URL> = {
  simd: new URL('../kernels-simd.wasm', import.meta.url),
  relaxed: new URL('../kernels-relaxed.wasm', import.meta.url),
};

/** Compiles the kernels of one build, for a shared memory or one of its own. */
export async function kernelModule(variant: KernelVariant, shared = false): Promise<WebAssembly.Module> {
  const response = await get(KERNELS[variant].href);
  const bytes = new Uint8Array(await body(response, 'arrayBuffer'));
  return WebAssembly.compile((shared ? importSharedMemory(bytes) : bytes) as Uint8Array<ArrayBuffer>);
}

/** Why relaxed SIMD gives wrong results here: no browser is known in which it does. */
export const distrustRelaxed = (): string | undefined => undefined;

/** Processors that the browser tells of. */
export const processors = (): number => navigator.hardwareConcurrency;

/** Whether this thread may sleep: a page's own may not. */
export const maySleep = (): boolean => !('document' in globalThis);

/** Why there are no worker threads here; undefined where there are. */
export function noThreads(): string | undefined {
  if (globalThis.crossOriginIsolated) return undefined;
  return 'the page is not cross-origin isolated (Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy)';
}

/** Starts a worker thread. It ends with the page at the latest; that it died shows only in its errors. */
export const startThread: StartThread = (message) => {
  const prelude = 'const start = (serve) => { onmessage = ({ data }) => serve(data); };';
  const address = URL.createObjectURL(new Blob([prelude, WORKER_SOURCE], { type: 'text/javascript' }));
  const worker = new Worker(address);
  worker.postMessage(message);
  URL.revokeObjectURL(address);
  return {
    onExit: (listener) => worker.addEventListener('error', () => listener(), { once: true }),
    stop: () => worker.terminate(),
  };
};

/**
 * Compiles an image decoder, which is found through the page's import map.
 * @throws ClipError IO if it cannot be found or fetched; what compiling throws
 */
export async function codecModule(name: CodecName): Promise<WebAssembly.Module> {
  const file = CODEC_FILES[name];
  let bytes: ArrayBuffer;
  try {
    const response = await get(import.meta.resolve(file));
    bytes = await body(response, 'arrayBuffer');
  } catch (cause) {
    throw new ClipError('IO', `cannot load the image decoder ${file}: ${(cause as Error).message}`, { cause });
  }
  return WebAssembly.compile(bytes);
}

/** There are no files to read by a `file:` URL. @throws ClipError UNSUPPORTED */
export async function readFileUrl(href: string, _checkBytes: (bytes: number) => void): Promise<Uint8Array> {
  throw new ClipError('UNSUPPORTED', `cannot read "${href}": a browser gives no access to files by their URL`);
}

/** The largest text file of a model, in bytes: a tokenizer of a million tokens takes a third of it. */
const MAX_TEXT = 128 << 20;

/** A model's folder: the address that the names of its files are appended to. A file that answers 404 is not there. */
export function directoryFiles(directory: string): ModelFiles {
  const base = new URL(directory.endsWith('/') ? directory : `${directory}/`, globalThis.location?.href);
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
    // A blob is kept by the browser outside of the script's memory, and read from there into the wasm memory.
    source: async (name) => {
      const response = await find(name);
      return response && blobSource(await body(response, 'blob'), response.url);
    },
  };
}

/** The model inside the package. */
export function defaultFiles(): ModelFiles {
  return directoryFiles(new URL('../../weights/default/', import.meta.url).href);
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
