/**
 * Embeddings that `eval` has computed, in a file that grows picture by picture: a run that was stopped goes on where it ended.
 * The first line says what computed them; each other line is a picture's name, size and time, its vector (base64 of f32, little
 * endian) and a check over the line. A line that was cut or changed counts as absent.
 */
import { statSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from '../crc32.ts';
import { ClipError } from '../errors.ts';
import { toPath } from '../file-name.ts';
import { ioReason } from '../platform/io-reason.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { quote } from './failure.ts';

interface Line {
  readonly file: string;
  readonly size: number;
  readonly mtime: string;
  readonly vector: string;
}

const FORMAT = 'edgeclip eval 1';

const checkOf = (line: Line) =>
  crc32(new TextEncoder().encode(JSON.stringify([line.file, line.size, line.mtime, line.vector]))).toString(16);

export class KeptEmbeddings {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #known: ReadonlyMap<string, Line>;

  private constructor(path: string, handle: FileHandle, known: ReadonlyMap<string, Line>) {
    this.#path = path;
    this.#handle = handle;
    this.#known = known;
  }

  /**
   * Opens a file of its own for each model and precision, in a folder that is made if it is not there.
   * @param maker fingerprint of what computes the vectors: another model, version or option has another file
   * @throws ClipError IO, also for a file that is not ours
   */
  static async open(folder: string, precision: string, maker: string): Promise<KeptEmbeddings> {
    const path = join(folder, `embeddings-${precision}-${maker.slice(0, 8)}.jsonl`);
    try {
      await makeFolder(folder);
      const text = await readFile(toPath(path), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '';
        throw error;
      });
      if (text !== '' && !text.startsWith(`{"format":"${FORMAT}"`)) {
        throw new ClipError('IO', `${quote(path)} is there and not of this command: give another folder to --keep`);
      }
      const head = `${JSON.stringify({ format: FORMAT, maker })}\n`;
      const known = text.startsWith(head) ? readLines(text.slice(head.length)) : new Map<string, Line>();
      const handle = await open(toPath(path), known.size > 0 ? 'a' : 'w');
      // A line that was cut must not swallow the next one.
      if (known.size === 0) await handle.appendFile(head);
      else if (!text.endsWith('\n')) await handle.appendFile('\n');
      return new KeptEmbeddings(path, handle, known);
    } catch (error) {
      if (error instanceof ClipError) throw error;
      throw new ClipError('IO', `cannot keep embeddings in ${quote(path)}: ${ioReason(error)}`, { cause: error });
    }
  }

  /** The vector of a file that has not changed since. */
  get(file: string): Float32Array | undefined {
    const line = this.#known.get(file);
    const stamp = line && stampOf(file);
    if (!stamp || stamp.size !== line.size || stamp.mtime !== line.mtime) return undefined;
    const bytes = Buffer.from(line.vector, 'base64');
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  }

  /** @throws ClipError IO */
  async add(file: string, vector: Float32Array): Promise<void> {
    const stamp = stampOf(file);
    if (!stamp) return;
    const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
    const line: Line = { file, ...stamp, vector: bytes.toString('base64') };
    try {
      await this.#handle.appendFile(`${JSON.stringify({ ...line, check: checkOf(line) })}\n`);
    } catch (error) {
      throw new ClipError('IO', `cannot write ${quote(this.#path)}: ${ioReason(error)}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function readLines(text: string): Map<string, Line> {
  const known = new Map<string, Line>();
  for (const json of text.split('\n')) {
    try {
      const { check, ...line } = JSON.parse(json) as Line & { check: string };
      if (check === checkOf(line)) known.set(line.file, line);
    } catch {
      // cut, or empty
    }
  }
  return known;
}

function stampOf(file: string): { size: number; mtime: string } | undefined {
  try {
    const { size, mtimeMs } = statSync(toPath(file), { bigint: true });
    return { size: Number(size), mtime: new Date(Number(mtimeMs)).toISOString() };
  } catch {
    return undefined;
  }
}
