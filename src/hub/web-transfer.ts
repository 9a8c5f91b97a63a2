/** Files on their way where there is no file system: received piece by piece, and asked for again if a connection breaks. */
import { concatenate } from '../bytes.ts';
import { ClipError } from '../errors.ts';
import type { HubAccess } from './access.ts';
import { discard, type HubAnswer, HubError, type HubRequest, pause, RETRY, send } from './client.ts';

/**
 * Sends a request and reads the answer; once more from the beginning if the connection ends before `read` does.
 * @param what the file, for messages
 * @throws HubError, what `read` throws as ClipError; the signal's reason if aborted
 */
export async function transfer<T>(
  access: HubAccess,
  request: HubRequest,
  what: string,
  read: (answer: HubAnswer) => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    const answer = await send(access, request);
    try {
      return await read(answer);
    } catch (cause) {
      access.signal?.throwIfAborted();
      if (cause instanceof ClipError) throw cause;
      if (failures >= RETRY.attempts) throw new HubError(0, `"${request.model}": ${what} broke off, ${failures} times: ${(cause as Error).message}`, { cause }); // biome-ignore format: one line
    } finally {
      await discard(answer);
    }
    await pause(RETRY.pauseMs * 2 ** (failures - 1), access.signal);
  }
}

/** A body's pieces as they come. */
export async function* pieces({ response, alive }: HubAnswer): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {}); // if the rest is not wanted
  }
}

/** Gets each piece, and where in the body it begins. */
export type Came = (piece: Uint8Array, at: number) => void;

/**
 * A body whose length is known, if it has that length.
 * @returns undefined if it is longer
 * @throws Error if it ends early
 */
export async function bodyOf(
  answer: HubAnswer,
  byteLength: number,
  came: Came,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(byteLength);
  let filled = 0;
  for await (const piece of pieces(answer)) {
    came(piece, filled);
    if (filled + piece.byteLength > byteLength) return undefined;
    bytes.set(piece, filled);
    filled += piece.byteLength;
  }
  if (filled < byteLength) throw new Error('the answer ended early');
  return bytes;
}

/** A body of unknown length. */
export async function wholeBody(answer: HubAnswer, came: Came): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces(answer)) {
    came(piece, length);
    parts.push(piece);
    length += piece.byteLength;
  }
  return concatenate(parts);
}
