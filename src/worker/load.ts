/** `loadClip` of `edgeclip/worker`: the options that can be sent are sent, the others bridged or refused by name. */

import { pageAddress, startWorker } from '#worker-host';
import { Clip } from '../clip.ts';
import { type LoadClipOptions, type LoadOptions, loadArguments } from '../load-options.ts';
import { type Model, oneFile } from '../open-model.ts';
import { withModules } from '../platform/modules.ts';
import type { WasmSources } from '../platform/wasm-sources.ts';
import { untilAborted } from '../scheduler.ts';
import { receiveError, sendError } from '../sent-error.ts';
import { checkFiles } from '../weights/checked-files.ts';
import type { LoadProgress } from '../weights/load-progress.ts';
import { isSliceable, type ModelFiles } from '../weights/source.ts';
import { Caller, inOrder } from './caller.ts';
import { LOADING, type Loaded, type Reply } from './protocol.ts';
import { RemoteBackend } from './remote-backend.ts';
import { offerFiles } from './remote-files.ts';

/**
 * Loads a model in a worker of its own: a Web Worker in browsers, a worker thread in Node, Deno and Bun. The `Clip` is the same,
 * and the event loop of the page or server never waits for it. Only labels are ranked in the caller's thread. `tokenize` is
 * refused, as it answers at once. Takes what `loadClip` of `edgeclip` takes; `ModelFiles` are read by the caller's thread.
 * Under a Content-Security-Policy it needs `script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'`.
 * @throws as `loadClip` of `edgeclip`; ClipError UNSUPPORTED where there are no workers, WORKER if the worker dies; TypeError for
 *   an option that cannot be sent to a worker
 * @example
 * import { loadClip } from 'edgeclip/worker';
 * const clip = await loadClip({ towers: ['image', 'text'] });
 * const [cat, dog] = await clip.encodeText(['a photo of a cat', 'a photo of a dog']);
 * clip.dispose(); // ends the worker
 */
export function loadClip(model?: Model, options?: LoadOptions): Promise<Clip>;
export function loadClip(options: LoadClipOptions): Promise<Clip>;
export async function loadClip(modelOrOptions?: Model | LoadClipOptions, secondOptions?: LoadOptions): Promise<Clip> {
  const { model: given, options } = loadArguments(modelOrOptions, secondOptions);
  const model = isSliceable(given) ? oneFile(given) : given;
  const { signal, onProgress, wasm, ...others } = options;
  if (typeof model === 'object') checkFiles(model);
  checkSendable(others);
  signal?.throwIfAborted();
  // Labels are ranked here, with the same modules.
  return withModules(wasm, async () => {
    const caller = new Caller(startWorker);
    try {
      const loading = load(caller, model, { ...others, wasm: wasm && sentModules(wasm) }, signal, onProgress);
      return Clip.fromBackend(new RemoteBackend(caller, await untilAborted(loading, signal)));
    } catch (error) {
      caller.dispose();
      throw error;
    }
  });
}

function load(
  caller: Caller,
  model: string | ModelFiles | undefined,
  options: Omit<LoadOptions, 'signal' | 'onProgress'>,
  signal: AbortSignal | undefined,
  onProgress: LoadProgress | undefined,
): Promise<Loaded> {
  return new Promise((resolve, reject) => {
    const files = typeof model === 'object' ? offerFiles(model, signal) : undefined;
    const progress = inOrder(onProgress, reject);
    const answer = async ({ request, wanted }: Extract<Reply, { kind: 'file' }>) => {
      const reply = { kind: 'answer', request } as const;
      try {
        const { value, transfer } = await files!(request, wanted);
        caller.post(LOADING, { ...reply, value }, 0, transfer);
      } catch (error) {
        caller.post(LOADING, { ...reply, error: sendError(error) }, 0);
      }
    };
    const receive = (reply: Reply) => {
      if (reply.kind === 'loaded') progress.after(() => resolve(reply.loaded));
      else if (reply.kind === 'failed') reject(receiveError(reply.error));
      else if (reply.kind === 'progress') progress.tell(reply.progress as Parameters<LoadProgress>[0]);
      else if (reply.kind === 'file') void answer(reply);
    };
    caller.begin(receive, reject, LOADING);
    const sent = typeof model === 'object' ? { name: model.name, weights: model.weights, note: model.note } : model;
    const request = { kind: 'load', model: sent, options, progress: onProgress !== undefined } as const;
    caller.post(LOADING, { ...request, base: pageAddress() }, 1);
  });
}

/** @throws TypeError naming an option with a function, or with something else that stays in its thread */
function checkSendable(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    try {
      structuredClone(value);
    } catch (cause) {
      const why = typeof value === 'function' ? 'is a function, which' : 'holds something that';
      const advice = "leave it out, or use loadClip of 'edgeclip'";
      throw new TypeError(`loadClip: ${name} ${why} cannot be sent to a worker: ${advice}`, { cause });
    }
  }
}

/** Modules and bytes can be sent, and of a URL its address. */
function sentModules(sources: WasmSources): WasmSources {
  const isUrl = (source: unknown) => Object.prototype.toString.call(source) === '[object URL]';
  return Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [name, isUrl(source) ? `${source}` : source]),
  );
}
