/** The pictures a command line names: files, directories, standard input. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ClipError } from '../errors.ts';
import { checkBytes, imageLimits } from '../image/limits.ts';
import { quote, UsageError } from './failure.ts';

/** A picture to come, or (`bytes` then rejects) the reason why there is none. */
export interface PictureInput {
  /** As the user gave it; inside a directory, joined to the directory's name. */
  readonly name: string;
  bytes(): Promise<Uint8Array>;
}

const STANDARD_INPUT = '-';
const PICTURE = /\.(jpe?g|png|webp)$/i;

/**
 * The pictures that the arguments stand for, in their order. A directory stands for the pictures in it by extension, hidden
 * ones and subdirectories left out, sorted by name (code units, so the order is the same everywhere). What cannot be
 * listed becomes an input that fails, so that the others still run.
 * @throws UsageError if an argument is empty or `-` is given twice
 */
export async function pictureInputs(args: readonly string[]): Promise<PictureInput[]> {
  if (args.includes('')) throw new UsageError('an image argument is empty (an unset variable of the shell?)');
  if (args.filter((arg) => arg === STANDARD_INPUT).length > 1) {
    throw new UsageError('- (standard input) can be given once');
  }
  const inputs: PictureInput[] = [];
  for (const arg of args) {
    if (arg === STANDARD_INPUT) inputs.push({ name: arg, bytes: () => collect(process.stdin) });
    else if (await isDirectory(arg)) inputs.push(...(await directoryInputs(arg)));
    else inputs.push(fileInput(arg));
  }
  return inputs;
}

/** Anything that can be read as a file, pipes of the shell (`<(...)`) included. */
function fileInput(path: string): PictureInput {
  return { name: path, bytes: () => collect(createReadStream(path, { highWaterMark: 1 << 20 })) };
}

async function directoryInputs(directory: string): Promise<PictureInput[]> {
  try {
    const inputs: PictureInput[] = [];
    for (const name of (await readdir(directory)).sort()) {
      const path = join(directory, name);
      if (PICTURE.test(name) && !name.startsWith('.') && !(await isDirectory(path))) inputs.push(fileInput(path));
    }
    if (inputs.length > 0) return inputs;
    const none = new ClipError('IO', 'the directory holds no .jpg, .jpeg, .png or .webp file');
    return [{ name: directory, bytes: () => Promise.reject(none) }];
  } catch (error) {
    return [{ name: directory, bytes: () => Promise.reject(readError(error)) }];
  }
}

/** False for what does not exist: reading it gives the error then. */
async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Reads to the end, but no further than the largest picture: a device or a wrong pipe must not fill the memory. */
async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const limits = imageLimits({});
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limits.maxBytes) break; // ends the stream
    }
  } catch (error) {
    throw readError(error);
  }
  checkBytes(length, limits);
  return Buffer.concat(chunks, length);
}

function readError(error: unknown): Error {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    ENOTDIR: 'a part of the path is a file, not a directory',
    EISDIR: 'it is a directory',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
  };
  return new ClipError('IO', reasons[code] ?? message, { cause: error });
}

/** How messages name an input. */
export function inputTitle(name: string): string {
  return name === STANDARD_INPUT ? 'standard input' : quote(name);
}
