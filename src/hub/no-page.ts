/** A page that comes instead of a file, with status 200: from networks with a login, and from development servers. */
import { ClipError } from '../errors.ts';
import { isWebPage } from '../weights/foreign.ts';

/** A page shows in its first bytes. */
const PAGE_HEAD = 512;

/**
 * @param head the first bytes of the answer
 * @throws ClipError IO if they are a page's
 */
export function checkNoPage(model: string, file: string, response: Response, head: Uint8Array): void {
  const type = response.headers.get('content-type') ?? '';
  if (!/\bhtml\b/i.test(type) && !isWebPage(new TextDecoder().decode(head.subarray(0, PAGE_HEAD)))) return;
  throw new ClipError('IO', `"${model}": a web page came instead of ${file}; a login page of the network, or a wrong endpoint of the hub? It was not kept`); // biome-ignore format: one line
}
