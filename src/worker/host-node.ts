/** A worker thread of Node, Deno or Bun. */

import { Worker } from 'node:worker_threads';
import { ClipError } from '../errors.ts';
import { noThreads } from '../platform/node-process.ts';
import type { PageAddress, StartWorker } from './host.ts';

export const startWorker: StartWorker = (receive, died) => {
  const reason = noThreads();
  if (reason !== undefined)
    throw new ClipError('UNSUPPORTED', `${reason}: import { loadClip } from 'edgeclip' instead`);
  // Without the parent's flags, which may belong to its own script.
  const worker = new Worker(new URL('../../dist/clip-worker.js', import.meta.url), { execArgv: [] });
  worker.on('message', receive);
  worker.on('messageerror', (error) => died(error.message));
  worker.on('error', (error) => died(error.message));
  worker.on('exit', (code) => died(`it ended with exit code ${code}`));
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    hold: (waits) => void (waits ? worker.ref() : worker.unref()),
    stop: () => void worker.terminate(),
  };
};

export const pageAddress: PageAddress = () => undefined;
