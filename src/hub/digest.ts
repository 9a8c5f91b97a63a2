/** Checks that a file's bytes are those of its id. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

/** How much is hashed at once, in bytes; between them the event loop turns. */
const STEP = 1 << 20;

/**
 * The id that a file's bytes give: SHA-256, or git's object id (SHA-1 of `blob LENGTH\0` and the bytes) if `id` is as long
 * as one.
 * @throws what `node:fs` throws; the signal's reason if aborted
 */
export async function fileId(path: string, id: string, signal?: AbortSignal): Promise<string> {
  const handle = await open(path, 'r');
  try {
    const git = id.length === 40;
    const hash = createHash(git ? 'sha1' : 'sha256');
    if (git) hash.update(`blob ${(await handle.stat()).size}\0`);
    const buffer = new Uint8Array(STEP);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, STEP);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

/** What messages call an id. */
export const idKind = (id: string): string => (id.length === 40 ? 'git object id' : 'SHA-256');
