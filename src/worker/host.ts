/** What the caller's end needs of the runtime: a worker of its own. One file for each kind of runtime; `#worker-host` picks it. */

import type { Reply, Request } from './protocol.ts';

export interface HostedWorker {
  post(request: Request, transfer: ArrayBuffer[]): void;
  /** Says whether calls wait for the worker: only then may it keep the process alive, and only then must a browser keep it. */
  hold(waits: boolean): void;
  stop(): void;
}

/**
 * Starts a worker on the package's own script.
 * @param receive gets every message
 * @param died gets the reason when the worker has ended or failed, also after `stop`
 * @throws ClipError UNSUPPORTED where there are no workers
 */
export type StartWorker = (receive: (reply: Reply) => void, died: (reason: string) => void) => HostedWorker;

/** What relative addresses are relative to; undefined where paths are relative to the process's folder. */
export type PageAddress = () => string | undefined;
