/** Bytes of a file as they come from a server: which part of it they are, and another attempt when a connection breaks. */
import { ClipError } from '../errors.ts';
import { isCompressed } from '../weights/fetched-files.ts';
import type { HubAccess } from './access.ts';
import { discard, type HubAnswer, HubError, pause, RETRY, send } from './client.ts';
import { checkNoPage } from './no-page.ts';

/** A file on a server. */
export interface Received {
  /** What messages call the model, and the file. */
  readonly model: string;
  readonly name: string;
  readonly url: string;
  /** In bytes, if the hub told. */
  readonly size: number | undefined;
  /** What messages call the server, if it is not a hub. */
  readonly server?: string;
}

/** A connection that ended early; trying again helps. */
export class Broken extends Error {}

/** More came than there is. */
export class TooLong extends ClipError {}

/**
 * Runs `attempt` until it ends, also after connections that broke; bytes that came begin the count of failures again.
 * @param length how many bytes are here
 * @throws HubError if it breaks again and again; what `attempt` throws otherwise; the signal's reason if aborted
 */
export async function persistently(
  access: HubAccess,
  { model, name, size }: Received,
  length: () => Promise<number>,
  attempt: (length: number) => Promise<void>,
): Promise<void> {
  for (let failures = 0; ; ) {
    const before = await length();
    try {
      await attempt(before);
      return;
    } catch (error) {
      access.signal?.throwIfAborted();
      if (!(error instanceof Broken)) throw error;
      const here = await length();
      failures = here > before ? 1 : failures + 1;
      if (failures >= RETRY.attempts) throw new HubError(0, `"${model}": ${name} broke off at ${here} of ${size ?? 'unknown'} bytes, ${RETRY.attempts} times: ${error.message}; the next load goes on from there`, { cause: error.cause }); // biome-ignore format: one line
      await pause(RETRY.pauseMs * 2 ** (failures - 1), access.signal);
    }
  }
}

/** Asks for a file, or a range of it, and reads the answer. A server without the range answers with 200 or 416. */
export async function withAnswer<T>(
  access: HubAccess,
  { model, url, server }: Received,
  range: string | undefined,
  read: (answer: HubAnswer) => Promise<T>,
): Promise<T> {
  const headers = { 'accept-encoding': 'identity', ...(range !== undefined && { range }) };
  const answer = await send(access, { model, url, headers, expected: [416], ...(server !== undefined && { server }) });
  try {
    return await read(answer);
  } finally {
    await discard(answer);
  }
}

/**
 * For parts of a file, whose checksum cannot be compared: the hub tells with each answer which file it gives.
 * @throws ClipError IO if it is not the file of this id
 */
export function checkLinked({ model, name }: Received, { hub }: HubAnswer, id: string | undefined): void {
  const linked = hub.get('x-linked-etag')?.replace(/^W\//, '').replaceAll('"', '');
  if (linked === undefined || id === undefined || linked === id) return;
  throw new ClipError('IO', `"${model}": the hub gives another file as ${name}: its checksum is ${linked}, expected ${id}; it was not kept`); // biome-ignore format: one line
}

/** `start`, if the answer is the file's bytes from there on; undefined if it is anything else. */
export function startOfRange(response: Response, start: number, size: number | undefined): number | undefined {
  if (response.status !== 206 || isCompressed(response)) return undefined;
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  const whole = total === undefined || total === '*' || size === undefined || Number(total) === size;
  return Number(from) === start && whole ? start : undefined;
}

/**
 * Hands out the pieces of an answer, each with its place in the file.
 * @param place where in the file the answer begins, and where it ends, if that is known
 * @throws Broken if it ends early; TooLong if more comes; ClipError IO for a web page
 */
export async function receive(
  access: HubAccess,
  file: Received,
  { response, alive }: HubAnswer,
  { from, end }: { readonly from: number; readonly end: number | undefined },
  take: (piece: Uint8Array, at: number) => Promise<void>,
): Promise<void> {
  let at = from;
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        access.signal?.throwIfAborted();
        throw new Broken((cause as Error).message, { cause });
      });
      if (done) break;
      alive();
      if (at === 0) checkNoPage(file.model, file.name, response, value);
      if (end !== undefined && at + value.byteLength > end) throw wrongSize(file, `more than ${end - from} bytes came`);
      await take(value, at);
      at += value.byteLength;
    }
  } finally {
    await reader.cancel().catch(() => {}); // if the rest is not wanted
  }
  if (end !== undefined && at < end) throw new Broken('the answer ended early');
}

export function wrongSize({ model, name, size }: Received, what: string): TooLong {
  return new TooLong('IO', `"${model}": ${name} has ${size} bytes on the hub: ${what}; it was not kept`);
}
