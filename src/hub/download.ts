/**
 * Fetching one file into the cache: into a partial file, which a later run continues, and which gets its name only when its
 * size and its checksum are right.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { ClipError } from '../errors.ts';
import { isCompressed, statedLength } from '../weights/fetched-files.ts';
import { isWebPage } from '../weights/foreign.ts';
import type { HubAccess } from './access.ts';
import { writing } from './cache.ts';
import { discard, type HubAnswer, HubError, pause, RETRY, send } from './client.ts';
import { fileId, idKind } from './digest.ts';

export interface Download {
  /** What messages call the model, and the file. */
  readonly model: string;
  readonly name: string;
  readonly url: string;
  /** In bytes, if the hub told. */
  readonly size: number | undefined;
  /** What the bytes must give (fileId). */
  readonly id: string;
  readonly partial: string;
  readonly target: string;
  /** What messages call the server, if it is no hub. */
  readonly server?: string;
}

/** A page that comes instead of a file shows in its first bytes. */
const PAGE_HEAD = 512;

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
    throw new ClipError('IO', `"${file.model}": ${file.name} was damaged on its way: its ${idKind(file.id)} is ${found}, expected ${file.id}; it was not kept`); // biome-ignore format: one line
  }
  await writing(file.target, () => rename(file.partial, file.target));
}

/** Fills the partial file; whether some of it was there before. */
async function fetchAll(access: HubAccess, file: Download): Promise<boolean> {
  const handle = await writing(file.partial, () => open(file.partial, 'a+'));
  try {
    let length = (await handle.stat()).size;
    if (file.size !== undefined && length > file.size) {
      await handle.truncate(0);
      length = 0;
    }
    const resumed = length > 0;
    for (let failures = 0; file.size === undefined || length < file.size; ) {
      const before = length;
      try {
        length = await fetchFrom(access, file, handle, length);
        if (file.size === undefined) break;
      } catch (error) {
        access.signal?.throwIfAborted();
        if (!(error instanceof Broken)) throw error;
        length = (await handle.stat()).size;
        // Bytes that came begin the count again.
        failures = length > before ? 1 : failures + 1;
        if (failures >= RETRY.attempts) throw new HubError(0, `"${file.model}": ${file.name} broke off at ${length} of ${file.size ?? 'unknown'} bytes, ${RETRY.attempts} times: ${error.message}; the next load goes on from there`, { cause: error.cause }); // biome-ignore format: one line
        await pause(RETRY.pauseMs * 2 ** (failures - 1), access.signal);
      }
    }
    // Before the new name: a file whose name outlives a power cut and whose bytes do not is full of zeros.
    await writing(file.partial, () => handle.sync());
    return resumed;
  } catch (error) {
    const { size } = await handle.stat();
    if (size === 0) await rm(file.partial, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** A connection that ended early; trying again helps. */
class Broken extends Error {}

/** One request, from `start` on; the partial file's length when it ended well. */
async function fetchFrom(access: HubAccess, file: Download, handle: FileHandle, start: number): Promise<number> {
  const headers = { 'accept-encoding': 'identity', ...(start > 0 && { range: `bytes=${start}-` }) };
  const { model, url, server } = file;
  const request = { model, url, headers, expected: [416], ...(server !== undefined && { server }) };
  const answer = await send(access, request);
  try {
    const { response } = answer;
    const from = startOf(response, start, file.size);
    if (from === undefined) {
      // 416, or a range that was not asked for: all of it.
      await handle.truncate(0);
      if (start > 0) throw new Broken(`the range from ${start} was not given`);
      throw wrongSize(file, `the server gave another part of it (status ${response.status})`);
    }
    if (from < start) await handle.truncate(0);
    return await receive(access, file, handle, answer, from);
  } finally {
    await discard(answer);
  }
}

/** Where in the file the answer begins: the asked place, or 0 from servers without ranges; undefined if it is neither. */
function startOf(response: Response, start: number, size: number | undefined): number | undefined {
  if (response.status === 200) return 0;
  if (response.status !== 206) return undefined;
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  const whole = total === undefined || total === '*' || size === undefined || Number(total) === size;
  return Number(from) === start && whole && !isCompressed(response) ? start : undefined;
}

async function receive(
  access: HubAccess,
  file: Download,
  handle: FileHandle,
  { response, alive }: HubAnswer,
  from: number,
): Promise<number> {
  let length = from;
  const stated = statedLength(response);
  const total = file.size ?? (stated === undefined ? undefined : from + stated);
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        access.signal?.throwIfAborted();
        throw new Broken((cause as Error).message, { cause });
      });
      if (done) break;
      alive();
      if (length === 0) checkNoPage(file, response, value);
      if (file.size !== undefined && length + value.byteLength > file.size) {
        await handle.truncate(0);
        throw wrongSize(file, `more than ${file.size} bytes came`);
      }
      await writing(file.partial, () => handle.appendFile(value));
      length += value.byteLength;
      access.onProgress?.({ file: file.name, loaded: length, total: total ?? length });
    }
  } finally {
    await reader.cancel().catch(() => {}); // if the rest is not wanted
  }
  if (file.size !== undefined && length < file.size) throw new Broken('the answer ended early');
  return length;
}

/** Networks with a login, and development servers, answer with a page and status 200. */
function checkNoPage(file: Download, response: Response, head: Uint8Array): void {
  const type = response.headers.get('content-type') ?? '';
  const begin = new TextDecoder().decode(head.subarray(0, PAGE_HEAD));
  if (!/\bhtml\b/i.test(type) && !isWebPage(begin)) return;
  throw new ClipError('IO', `"${file.model}": a web page came instead of ${file.name}; a login page of the network, or a wrong HF_ENDPOINT? It was not kept`); // biome-ignore format: one line
}

function wrongSize(file: Download, what: string): ClipError {
  return new ClipError(
    'IO',
    `"${file.model}": ${file.name} has ${file.size} bytes on the hub: ${what}; it was not kept`,
  );
}
