/** Where results go: standard output, or a file. */
import { open } from 'node:fs/promises';
import { ClipError } from '../errors.ts';
import { quote } from './failure.ts';

export interface Output {
  /** People read along: a progress bar must get out of the way. */
  readonly terminal: boolean;
  /**
   * Resolves when the chunk is taken, so that nothing piles up before a slow reader.
   * @throws ClipError IO, e.g. on a full disk
   */
  write(chunk: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export function standardOutput(): Output {
  return {
    terminal: process.stdout.isTTY === true,
    write: (chunk) => new Promise((resolve) => process.stdout.write(chunk, () => resolve())), // errors: see below
    close: async () => {},
  };
}

/**
 * Opens the file at once, so that a path that cannot be written is known before the work begins.
 * @throws ClipError IO
 */
export async function fileOutput(path: string): Promise<Output> {
  const fail = (error: NodeJS.ErrnoException): never => {
    const reason = error.code === 'ENOENT' ? 'there is no such directory' : error.message;
    throw new ClipError('IO', `cannot write ${quote(path)}: ${reason}`, { cause: error });
  };
  const handle = await open(path, 'w').catch(fail);
  return {
    terminal: false,
    write: (chunk) => handle.writeFile(chunk).catch(fail), // goes on where the last one ended
    close: () => handle.close().catch(fail),
  };
}

/** A reader that went away (`| head -1`) ends the run quietly; any other failure to write is an error. */
export function watchStandardOutput(failed: (error: Error) => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') failed(new ClipError('IO', `cannot write standard output: ${error.message}`));
      process.exit();
    });
  }
}
