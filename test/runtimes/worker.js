import * as edgeclip from 'edgeclip';
import * as image from 'edgeclip/image';
import * as search from 'edgeclip/search';
import * as worker from 'edgeclip/worker';
import { runSuite } from './suite.js';

/** The pictures come in the request: a list of lengths, a line feed, the bytes. */
export default {
  async fetch(request) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    const end = bytes.indexOf(10);
    let at = end + 1;
    const files = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))).map((length) => {
      at += length;
      return bytes.subarray(at - length, at);
    });
    const only = new URL(request.url).searchParams.get('only')?.split(',');
    const options = { only, kernels: ['simd', 'relaxed'], threads: [1], noModel: 'no such model' };
    return Response.json(await runSuite({ edgeclip, worker, image, search, files, ...options }));
  },
};
