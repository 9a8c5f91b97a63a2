/** Outputs that are not replaced atomically: standard output, pipes, devices. */
import { constants, fstatSync, readFileSync, readSync, realpathSync, type Stats, statSync, write } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ClipError } from '../errors.ts';
import { toPath } from '../file-name.ts';
import { ioReason } from '../platform/io-reason.ts';
import { quote } from './failure.ts';

/** A sequential byte sink. */
export interface Output {
  /** Whether this is a terminal, so that the progress bar must be cleared before writing. */
  readonly terminal: boolean;
  /**
   * Resolves when the chunk has been accepted (backpressure).
   * @throws ClipError IO, e.g. on a full disk
   */
  write(chunk: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Standard output.
 * @throws ClipError IO if it is closed
 */
export function standardOutput(): Output {
  checkStandardOutput();
  const toFile = outputStat()?.isFile() ?? false;
  return {
    terminal: process.stdout.isTTY === true,
    write: toFile ? writeToFile : writeToStream,
    close: async () => {},
  };
}

/** A failure here ends the process: see `watchStandardOutput`. */
function writeToStream(chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => process.stdout.write(chunk, () => resolve()));
}

/** Node's stream for a file calls `write` once and ignores a short count, so a full disk could go unnoticed. */
async function writeToFile(chunk: string | Uint8Array): Promise<void> {
  const bytes = Buffer.from(chunk as Uint8Array);
  for (let done = 0; done < bytes.length; ) {
    done += await new Promise<number>((resolve, reject) =>
      write(1, bytes, done, bytes.length - done, null, (error, written) => (error ? reject(error) : resolve(written))),
    ).catch((error) => {
      throw new ClipError('IO', `cannot write standard output: ${ioReason(error)}`, { cause: error });
    });
  }
}

/** @throws ClipError IO if standard output is closed, as by the shell's `>&-` */
export function checkStandardOutput(): void {
  if (isClosed()) throw new ClipError('IO', 'cannot write standard output: it is closed');
}

/**
 * Deno and Bun leave a closed descriptor closed. Node opens /dev/null for reading and writing in its place, which is also
 * what a parent program does for output that is not wanted (`stdio: 'ignore'`, Python's DEVNULL), while a shell's
 * `> /dev/null` is write-only. So such a descriptor was closed if a shell started this program, which cannot make one.
 */
function isClosed(): boolean {
  const stat = outputStat();
  if (stat === undefined) return true;
  return process.platform !== 'win32' && isReadableNull(1, stat) && !isReadableNull(2, fstatSync(2)) && isFromShell();
}

/** Whether a shell that sets `_` to the path of what it starts (bash, zsh, ksh) started this process itself. */
function isFromShell(): boolean {
  const { _: started, SHLVL: level } = process.env;
  if (started === undefined || ![process.execPath, process.argv[1]].some((path) => isSameFile(path, started)))
    return false;
  try {
    // A program passes its environment on; a shell has another `_` or level than its child.
    const parent = readFileSync(`/proc/${process.ppid}/environ`, 'utf8').split('\0');
    return !(parent.includes(`_=${started}`) && (level === undefined || parent.includes(`SHLVL=${level}`)));
  } catch {
    return true; // no /proc
  }
}

function isSameFile(a: string | undefined, b: string): boolean {
  try {
    return a !== undefined && realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}

function isReadableNull(descriptor: number, stat: Stats): boolean {
  if (!stat.isCharacterDevice() || stat.rdev !== statSync('/dev/null').rdev) return false;
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))![1]!;
    return (Number.parseInt(flags, 8) & constants.O_RDWR) !== 0;
  } catch {
    // no /proc: try to read instead
  }
  try {
    readSync(descriptor, Buffer.alloc(1));
    return true;
  } catch {
    return false;
  }
}

function outputStat(): Stats | undefined {
  try {
    return fstatSync(1);
  } catch {
    return undefined;
  }
}

/** Whether a path must be written in place: names of open descriptors (/dev/stdout), FIFOs, devices. */
export function isDirect(path: string): boolean {
  if (/^\/(dev\/(stdout|stderr|fd\/\d+)|proc\/(self|thread-self|\d+)\/fd\/\d+)$/.test(path)) return true;
  try {
    const stat = statSync(toPath(path));
    return !stat.isFile() && !stat.isDirectory();
  } catch {
    return false;
  }
}

/**
 * Opens a path that `isDirect`.
 * @throws ClipError IO
 */
export async function directOutput(path: string): Promise<Output> {
  if (/^\/(dev\/(stdout|fd\/1)|proc\/self\/fd\/1)$/.test(path)) return standardOutput();
  const fail = (error: unknown): never => {
    throw new ClipError('IO', `cannot write ${quote(path)}: ${ioReason(error)}`, { cause: error });
  };
  const handle: FileHandle = await open(toPath(path), 'a').catch(fail); // append: a descriptor may refer to a file that already has content
  return {
    terminal: false,
    write: (chunk) => handle.writeFile(chunk).catch(fail), // writes at the current position
    close: () => handle.close().catch(fail),
  };
}

/** A reader that leaves (`| head -1`) ends the run quietly; any other failure to write is an error. */
export function watchStandardOutput(failed: (error: Error) => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') failed(new ClipError('IO', `cannot write standard output: ${ioReason(error)}`));
      process.exit();
    });
  }
}
