/**
 * Fetching one file into the cache: into a partial file, which a later run continues, and which gets its name only when its
 * size and its checksum are right.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { ClipError } from '../errors.ts';
import { statedLength } from '../weights/fetched-files.ts';
import type { HubAccess } from './access.ts';
import { writing } from './cache.ts';
import { fileId, idKind } from './digest.ts';
import {
  Broken,
  persistently,
  type Received,
  receive,
  startOfRange,
  TooLong,
  withAnswer,
  wrongSize,
} from './receive.ts';

export interface Download extends Received {
  /** What the bytes must give (fileId). */
  readonly id: string;
  readonly partial: string;
  readonly target: string;
}

/**
 * @throws HubError; ClipError IO if it cannot be written, or is not what the hub announced; the signal's reason if aborted
 */
export async function download(access: HubAccess, file: Download): Promise<void> {
  for (;;) {
    const resumed = await fetchAll(access, file);
    const found = await fileId(file.partial, file.id, access.signal);
    if (found === file.id) break;
    await rm(file.partial, { force: true });
    // What an earlier run left may have been damaged: once more from the beginning.
    if (resumed) continue;
    throw damaged(file, found);
  }
  await writing(file.target, () => rename(file.partial, file.target));
}

export function damaged({ model, name, id }: Pick<Download, 'model' | 'name' | 'id'>, found: string): ClipError {
  return new ClipError('IO', `"${model}": ${name} was damaged on its way: its ${idKind(id)} is ${found}, expected ${id}; it was not kept`); // biome-ignore format: one line
}

/** Fills the partial file; whether some of it was there before. */
async function fetchAll(access: HubAccess, file: Download): Promise<boolean> {
  const { partial, size } = file;
  const handle = await writing(partial, () => open(partial, 'a+'));
  const length = async () => (await handle.stat()).size;
  try {
    if (size !== undefined && (await length()) > size) await handle.truncate(0);
    const resumed = (await length()) > 0;
    await persistently(access, file, length, async (start) => {
      if (start !== size) await fetchFrom(access, file, handle, start);
    });
    // Before the new name: a file whose name outlives a power cut and whose bytes do not is full of zeros.
    await writing(partial, () => handle.sync());
    return resumed;
  } catch (error) {
    if ((await length()) === 0) await rm(partial, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** One request, from `start` on. */
async function fetchFrom(access: HubAccess, file: Download, handle: FileHandle, start: number): Promise<void> {
  const { partial, size } = file;
  await withAnswer(access, file, start > 0 ? `bytes=${start}-` : undefined, async (answer) => {
    const { response } = answer;
    const from = response.status === 200 ? 0 : startOfRange(response, start, size);
    if (from === undefined) {
      // 416, or a range that was not asked for: all of it.
      await handle.truncate(0);
      if (start > 0) throw new Broken(`the range from ${start} was not given`);
      throw wrongSize(file, `the server gave another part of it (status ${response.status})`);
    }
    if (from < start) await handle.truncate(0);
    const stated = statedLength(response);
    const total = size ?? (stated === undefined ? undefined : from + stated);
    try {
      await receive(access, file, answer, { from, end: size }, async (piece, at) => {
        await writing(partial, () => handle.appendFile(piece));
        const loaded = at + piece.byteLength;
        access.onProgress?.({ file: file.name, loaded, total: total ?? loaded });
      });
    } catch (error) {
      if (error instanceof TooLong) await handle.truncate(0);
      throw error;
    }
  });
}
