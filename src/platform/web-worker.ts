/** Threads as browsers have them. */
import type { Thread } from './platform.ts';

/** What a web worker's script begins with. scripts/build-js.js makes dist/thread.js of both. No bundler is to follow the import. */
export const WEB_PRELUDE = `
const listen = (serve) => { onmessage = ({ data }) => serve(data); };
const reply = (message, transfer = []) => postMessage(message, { transfer });
const load = ({ href }) => import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ href);
`;

/** Processors that the browser tells of. */
export const processors = (): number => globalThis.navigator?.hardwareConcurrency ?? 1;

/** Whether this thread may sleep: a page's own may not. */
export const maySleep = (): boolean => !('document' in globalThis);

/** Why there are no worker threads here; undefined where there are. */
export function noThreads(): string | undefined {
  if (!('Worker' in globalThis)) return 'this runtime has no Worker';
  if (globalThis.crossOriginIsolated) return undefined;
  return 'the page is not cross-origin isolated (Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy)';
}

/** A worker whose script needs no file; a Content-Security-Policy must allow `worker-src blob:`. */
export function blobWorker(source: string): Worker {
  const address = scriptAddress(WEB_PRELUDE, source);
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  return worker;
}

/** An address for a script that is text. */
export function scriptAddress(...text: string[]): string {
  return URL.createObjectURL(new Blob(text, { type: 'text/javascript' }));
}

/** Workers that somebody waits for. */
const waitedFor = new Set<Worker>();

/** How a worker is held and ended. Firefox collects one that its own listeners alone refer to, as the code does that waits for it. */
export const lifeOf = (worker: Worker): Pick<Thread, 'hold' | 'stop'> => ({
  hold: (needed) => void (needed ? waitedFor.add(worker) : waitedFor.delete(worker)),
  stop: () => {
    waitedFor.delete(worker);
    worker.terminate();
  },
});

/** It ends with the page at the latest; that it died shows only in its errors. */
export function webThread(worker: Worker, message: object): Thread {
  worker.postMessage(message);
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    onMessage: (listener) => worker.addEventListener('message', ({ data }) => listener(data)),
    onExit: (listener) => worker.addEventListener('error', () => listener(), { once: true }),
    ...lifeOf(worker),
  };
}
