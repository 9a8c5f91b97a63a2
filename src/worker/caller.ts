/** The caller's end of a worker: the calls that wait for it, and what happens if it dies. */

import { ClipError } from '../errors.ts';
import type { HostedWorker, StartWorker } from './host.ts';
import { LOADING, type Reply, type Request } from './protocol.ts';

/** A call that the worker knows of. */
interface Call {
  /** How many answers of the worker it waits for. */
  waits: number;
  receive(reply: Reply): void;
  /** The worker has ended. */
  fail(error: Error): void;
}

/** A worker and the calls on it. */
export class Caller {
  readonly #worker: HostedWorker;
  readonly #calls = new Map<number, Call>();
  /** As `ClipInfo.memory.decoders`, of the worker's last picture. */
  decoders = 0;
  #last = LOADING;
  #waits = 0;
  #end: { readonly code: 'DISPOSED' | 'WORKER'; readonly message: string } | undefined;

  /** @throws ClipError UNSUPPORTED where there are no workers */
  constructor(start: StartWorker) {
    this.#worker = start(
      (reply) => this.#receive(reply),
      (reason) => this.#close('WORKER', `the worker died: ${reason}. Load the model again`),
    );
    this.#worker.hold(false);
  }

  get disposed(): boolean {
    return this.#end?.code === 'DISPOSED';
  }

  /** @throws ClipError DISPOSED, or WORKER if it died */
  alive(): void {
    if (this.#end) throw new ClipError(this.#end.code, this.#end.message);
  }

  /** Begins a call. @throws ClipError DISPOSED, WORKER */
  begin(receive: Call['receive'], fail: Call['fail'], id = ++this.#last): number {
    this.alive();
    this.#calls.set(id, { waits: 0, receive, fail });
    return id;
  }

  /** Sends a message; `answers`: how many more the call waits for. Only then is the process kept alive. */
  post(call: number, request: Request, answers: number, transfer: ArrayBuffer[] = []): void {
    if (this.#end) return;
    this.#worker.post(request, transfer);
    this.expect(call, answers);
  }

  /** That a call waits for more answers, or for fewer. */
  expect(id: number, answers: number): void {
    const call = this.#calls.get(id);
    if (!call || answers === 0) return;
    const before = this.#waits;
    call.waits += answers;
    this.#waits += answers;
    if (before === 0 || this.#waits === 0) this.#worker.hold(this.#waits > 0);
  }

  /** Ends a call. The worker is told if it does not know yet. */
  end(id: number): void {
    if (!this.#calls.has(id)) return;
    this.#forget(id);
    this.#worker.post({ kind: 'end', call: id }, []);
  }

  /** Ends the worker. */
  dispose(): void {
    this.#close('DISPOSED', 'this model was disposed of');
  }

  #receive(reply: Reply): void {
    const call = this.#calls.get(reply.call);
    if (reply.kind === 'embedded') this.decoders = reply.decoders;
    if (reply.kind === 'done' || reply.kind === 'failed' || reply.kind === 'loaded') this.#forget(reply.call);
    call?.receive(reply);
  }

  #forget(id: number): void {
    const call = this.#calls.get(id);
    if (!call) return;
    this.expect(id, -call.waits);
    this.#calls.delete(id);
  }

  #close(code: 'DISPOSED' | 'WORKER', message: string): void {
    if (this.#end) return;
    this.#end = { code, message };
    const calls = [...this.#calls];
    for (const [id] of calls) this.#forget(id);
    this.#worker.stop();
    for (const [, { fail }] of calls) fail(new ClipError(code, message));
  }
}

/** Calls back one after the other, also if that takes time; the first failure is the last call. */
export function inOrder<P>(callback: ((progress: P) => unknown) | undefined, failed: (error: unknown) => void) {
  let last: Promise<unknown> = Promise.resolve();
  return {
    tell(progress: P): void {
      last = last.then(() => callback?.(progress));
      last.catch(failed);
    },
    /** After all that was told, unless one failed. */
    after(done: () => void): void {
      last.then(done, () => {});
    },
  };
}
