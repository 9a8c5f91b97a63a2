/** Files of Node, Deno and Bun. */
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClipError } from '../errors.ts';
import type { ModelFiles } from '../weights/source.ts';
import { checkRange, type Source } from '../weights/source.ts';
import * as web from './fetched.ts';

/** Reads a path or `file:` address, fetches any other. */
export async function readAddress(address: string): Promise<Uint8Array<ArrayBuffer>> {
  if (/^(?!file:)[a-z][a-z+.-]+:/i.test(address)) return web.readAddress(address);
  const path = address.startsWith('file:') ? fileURLToPath(address) : address;
  const bytes = await readFile(path).catch((error) => {
    throw fileError(path, error);
  });
  return new Uint8Array(bytes);
}

/** Whether there is a file or folder of this path, as far as this process may look. */
export const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false); // biome-ignore format: one line

/** The most that one read asks for, in bytes, so that an aborted load stops soon. */
const READ_STEP = 16 << 20;

/**
 * Opens a file as a source. The path is taken as it is, so spaces, `#`, `%` and any letters are fine. Reads go straight
 * into the target, a view of a shared wasm memory included (tried in Node 20, Deno 2.9 and Bun 1.4).
 * @throws ClipError `IO` if there is no such file, it is a folder, or it may not be read.
 */
export async function fileSource(path: string): Promise<Source> {
  // Before opening: to open a named pipe waits for a writer.
  await regularFileSize(path);
  const handle = await open(path, 'r').catch((error) => {
    throw fileError(path, error);
  });
  try {
    const { size } = await handle.stat();
    const source: Source = {
      name: path,
      byteLength: size,
      async readInto(offset, target, signal) {
        checkRange(source, offset, target.byteLength);
        let done = 0;
        while (done < target.byteLength) {
          signal?.throwIfAborted();
          const length = Math.min(READ_STEP, target.byteLength - done);
          const { bytesRead } = await handle.read(target, done, length, offset + done).catch((error) => {
            throw fileError(path, error);
          });
          if (bytesRead === 0) {
            throw new ClipError(
              'IO',
              `cannot read "${path}": it was ${size} bytes long and now ends at ${offset + done}`,
            );
          }
          done += bytesRead;
        }
        signal?.throwIfAborted();
      },
      close: () => handle.close(),
    };
    return source;
  } catch (error) {
    await handle.close();
    throw fileError(path, error as NodeJS.ErrnoException);
  }
}

/**
 * Reads a UTF-8 text file.
 * @throws ClipError `IO` if there is no such file, it is a folder, or it may not be read.
 */
export async function readTextFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error) => {
    throw fileError(path, error);
  });
}

/**
 * Reads the file of a `file:` URL in pieces, through one buffer: each piece is only valid until the next is asked for.
 * @param most bytes of a piece
 * @param checkBytes throws if the file has too many bytes; called before it is read
 * @throws ClipError `IO` if it cannot be read, or is not a regular file (opening a pipe would block); what `checkBytes` throws
 */
export async function* readFileUrl(
  href: string,
  most: number,
  checkBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  const source = await fileSource(fileURLToPath(href));
  const { byteLength } = source;
  try {
    checkBytes(byteLength);
    const buffer = new Uint8Array(Math.min(most, byteLength));
    for (let at = 0; at < byteLength; at += most) {
      const piece = buffer.subarray(0, byteLength - at);
      await source.readInto(at, piece);
      yield piece;
    }
  } finally {
    await source.close?.();
  }
}

/** The size of a regular file in bytes. @throws ClipError `IO` for anything else */
async function regularFileSize(path: string): Promise<number> {
  const found = await stat(path).catch((error) => {
    throw fileError(path, error);
  });
  if (found.isFile()) return found.size;
  throw fileError(
    path,
    Object.assign(new Error('it is not a regular file'), found.isDirectory() && { code: 'EISDIR' }),
  );
}

/** The path is quoted to make a blank at its beginning or end visible. */
function fileError(path: string, error: NodeJS.ErrnoException): ClipError {
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    ENOTDIR: 'a part of the path is a file, not a folder',
    EISDIR: 'it is a folder',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
  };
  return new ClipError('IO', `cannot read "${path}": ${reasons[error.code ?? ''] ?? error.message}`, { cause: error });
}

/** The largest text file of a model, in bytes: a tokenizer of a million tokens takes a third of it. */
const MAX_TEXT = 128 << 20;

/** A text file of a model. @throws ClipError `IO` if it cannot be read, or is longer than any model's */
export async function readText(path: string): Promise<string> {
  const size = await regularFileSize(path);
  if (size <= MAX_TEXT) return readTextFile(path);
  throw new ClipError('IO', `cannot read "${path}": it has ${size} bytes, expected a text of at most ${MAX_TEXT}`);
}

/**
 * A model's folder. Its methods throw ClipError `IO` if a file is there and cannot be read, or if there is no such folder.
 */
export function directoryFiles(directory: string): ModelFiles {
  if (directory === '') throw new ClipError('IO', 'the path of the model folder is empty');
  /** Undefined for a file that is not there, in a folder that is. */
  const missing = async (error: unknown) => {
    const { code } = ((error as ClipError).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') await checkFolder(directory);
    if (code === 'ENOENT') return undefined;
    throw error;
  };
  return {
    name: directory,
    text: (name) => readText(join(directory, name)).catch(missing),
    source: (name) => fileSource(join(directory, name)).catch(missing),
  };
}

/** @throws ClipError `IO` if there is no such folder, with what to pass instead */
async function checkFolder(directory: string): Promise<void> {
  const found = await stat(directory).catch((error: NodeJS.ErrnoException) => error);
  if (!(found instanceof Error)) {
    if (found.isDirectory()) return;
    throw new ClipError(
      'IO',
      `the model "${directory}" is a file: pass the folder that holds the model's files, or a file of weights (.safetensors, .bin, .pt, .pth, .ckpt)`,
    );
  }
  if (found.code !== 'ENOENT') throw fileError(directory, found);
  throw new ClipError('IO', `the model folder "${directory}" does not exist`, { cause: found });
}
