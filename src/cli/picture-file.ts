/** Reads the file of a picture: a regular one, or a named pipe. */
import { open } from 'node:fs/promises';
import { ClipError } from '../errors.ts';
import { toPath } from '../file-name.ts';
import { checkBytes, type ImageLimits, imageLimits } from '../image/limits.ts';
import { ioReason } from '../platform/io-reason.ts';
import { collect, title } from './standard-input.ts';
import { announced, isNamedPipe, pipeChunks, type Say } from './waiting.ts';

/**
 * Reads at most the size limit of a picture, so that an endless pipe cannot fill the memory.
 * @param say without it a named pipe is refused, since opening one may wait forever
 * @throws ClipError IO, IMAGE_TOO_LARGE
 */
export async function readPicture(path: string, say?: Say): Promise<Uint8Array> {
  const limits = imageLimits({});
  try {
    const isPipe = isNamedPipe(path);
    if (isPipe && !say) throw new Error('it is not a regular file');
    const bytes =
      say && isPipe
        ? await collect(announced(title(path), pipeChunks(path), say), limits.maxBytes)
        : await readRegular(path, limits);
    checkBytes(bytes.length, limits);
    return bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && path.includes('\ufffd')) {
      throw new ClipError('IO', 'there is no such file; its name may not be UTF-8, which cannot be opened here');
    }
    throw readError(error);
  }
}

async function readRegular(path: string, limits: ImageLimits): Promise<Uint8Array> {
  const handle = await open(toPath(path));
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    if (!stat.isFile()) throw new Error('it is not a regular file');
    checkBytes(stat.size, limits);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

export function readError(error: unknown): unknown {
  return error instanceof ClipError ? error : new ClipError('IO', ioReason(error), { cause: error });
}
