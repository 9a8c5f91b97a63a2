/** Inputs that can block: named pipes and standard input. Devices are refused. */
import { type FileHandle, open } from 'node:fs/promises';
import { toPath } from '../file-name.ts';
import { fileKind, NAMED_PIPE } from './walk.ts';

/** Nothing is said about data that comes within this time. */
const PATIENCE_MS = 2000;
/** After a long computation a timer fires before the data that has arrived is delivered. */
const GRACE_MS = 100;

/** Prints a line on standard error. */
export type Say = (line: string) => void;

/** Passes the chunks on; if none comes for a moment, says what it waits for. */
export async function* announced(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  say: Say,
): AsyncGenerator<Uint8Array> {
  let timer = setTimeout(() => {
    timer = setTimeout(() => say(`waiting for data from ${name}`), GRACE_MS);
  }, PATIENCE_MS);
  try {
    for await (const chunk of chunks) {
      clearTimeout(timer);
      yield chunk;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** The bytes of a path that is not a regular file, e.g. a named pipe. Opening it waits for a writer. */
export async function* pipeChunks(path: string): AsyncGenerator<Uint8Array> {
  const handle: FileHandle = await open(toPath(path));
  try {
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(1 << 16));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/**
 * Whether the path is a named pipe, including the shell's `<(...)`.
 * @throws Error for devices and sockets, which may have no end or no data
 */
export function isNamedPipe(path: string): boolean {
  const kind = fileKind(path);
  if (kind === NAMED_PIPE) return true;
  if (kind === undefined || kind === 'file' || kind === 'directory') return false;
  throw new Error(`it is ${kind}; only regular files and named pipes are read`);
}
