/** The worker's script in browsers: dist/browser/clip-worker.js. */

import { resolveAgainst } from '../platform/fetched.ts';
import type { Request } from './protocol.ts';
import { serve } from './server.ts';

const receive = serve((reply, transfer = []) => postMessage(reply, { transfer }));
addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.kind === 'load') resolveAgainst(data.base);
  receive(data);
});
