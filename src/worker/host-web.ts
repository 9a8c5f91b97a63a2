/** A Web Worker of a page, or of another worker. */

import { ClipError } from '../errors.ts';
import { lifeOf } from '../platform/web-worker.ts';
import type { PageAddress, StartWorker } from './host.ts';

export const startWorker: StartWorker = (receive, died) => {
  if (!('Worker' in globalThis)) {
    throw new ClipError('UNSUPPORTED', "this runtime has no Worker: import { loadClip } from 'edgeclip' instead");
  }
  let worker: Worker;
  try {
    worker = new Worker(new URL('../../dist/browser/clip-worker.js', import.meta.url), { type: 'module' });
  } catch (cause) {
    const reason = (cause as Error).message; // the script comes from another origin, or a policy forbids workers
    throw new ClipError('UNSUPPORTED', `the worker cannot be started: ${reason}`, { cause });
  }
  worker.onmessage = ({ data }) => receive(data);
  worker.onmessageerror = () => died('a message could not be read');
  worker.onerror = (event) => {
    event.preventDefault(); // it is told by the calls that wait
    died(event.message || 'its script could not be loaded');
  };
  return {
    post: (request, transfer) => worker.postMessage(request, transfer),
    ...lifeOf(worker),
  };
};

export const pageAddress: PageAddress = () => globalThis.location?.href;
