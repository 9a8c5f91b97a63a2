/** Models in workers for tests, and a hand on the worker itself: its messages, and its sudden end. */
import { Worker } from 'node:worker_threads';
import { type MockInstance, vi } from 'vitest';
import type { Clip } from '../../src/clip.ts';
import type { LoadClipOptions, LoadOptions } from '../../src/load-options.ts';
import type { ModelFiles } from '../../src/weights/source.ts';
import { loadClip } from '../../src/worker/load.ts';
import type { Request } from '../../src/worker/protocol.ts';

/** What `loadClip` takes, in either signature. */
export type LoadArguments = [model?: string | ModelFiles | LoadClipOptions, options?: LoadOptions];
export type Load = (...args: LoadArguments) => Promise<Clip>;

export interface Watched {
  readonly clip: Clip;
  readonly worker: Worker;
  /** Every message that the model's caller has sent. */
  readonly sent: Request[];
}

/** A model whose worker is known. */
export async function watched(...args: LoadArguments): Promise<Watched> {
  const { postMessage } = Worker.prototype;
  const sent: Request[] = [];
  let worker: Worker | undefined;
  const spy: MockInstance = vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (
    this: Worker,
    message: Request,
    transfer,
  ) {
    worker ??= this;
    if (worker === this) sent.push(message);
    postMessage.call(this, message, transfer);
  });
  try {
    const clip = await (loadClip as Load)(...args);
    // From here on the worker's own method, which the prototype gets back for everyone else.
    worker!.postMessage = (message: Request, transfer) => {
      sent.push(message);
      postMessage.call(worker, message, transfer);
    };
    return { clip, worker: worker!, sent };
  } finally {
    spy.mockRestore();
  }
}
