/** The worker's script in Node, Deno and Bun: dist/clip-worker.js. */

import { parentPort } from 'node:worker_threads';
import { serve } from './server.ts';

const port = parentPort!;
port.on(
  'message',
  serve((reply, transfer) => port.postMessage(reply, transfer)),
);
