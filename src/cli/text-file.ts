/** Reads the text files of command-line options: labels, texts, templates, lists. */
import { readFile } from 'node:fs/promises';
import { toPath } from '../file-name.ts';
import { ioReason } from '../platform/io-reason.ts';
import { firstInvalidByte } from '../utf8.ts';
import { emptyOption, UsageError } from './failure.ts';
import { collect, STANDARD_INPUT, title } from './standard-input.ts';
import { announced, isNamedPipe, pipeChunks } from './waiting.ts';

/**
 * Reads a file, a named pipe, or standard input for `-`.
 * @throws UsageError naming the option, if it cannot be read
 */
export async function readOptionFile(option: string, path: string): Promise<Uint8Array> {
  if (path === '') throw emptyOption(option);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  try {
    if (path === STANDARD_INPUT) return await collect(announced(title(path), process.stdin, say));
    if (isNamedPipe(path)) return await collect(announced(title(path), pipeChunks(path), say));
    return await readFile(toPath(path));
  } catch (error) {
    throw new UsageError(`${option}: cannot read ${title(path)}: ${ioReason(error)}`, { cause: error });
  }
}

/**
 * Reads a text file: UTF-8, or UTF-16 with a byte order mark (as older PowerShell writes it).
 * @param advice for a file in another encoding
 * @throws UsageError naming the option, if it cannot be read or has another encoding
 */
export async function readOptionText(option: string, path: string, advice?: string): Promise<string> {
  const bytes = await readOptionFile(option, path);
  try {
    return decodeText(bytes, advice);
  } catch (error) {
    throw new UsageError(`${option} ${title(path)}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Decodes UTF-8 strictly, or UTF-16 LE and BE with a byte order mark, which is removed. Other encodings are refused:
 * guessing an 8-bit encoding could silently give wrong labels.
 * @throws RangeError with line (from 1) and byte offset (from 0) of the first invalid byte
 */
export function decodeText(bytes: Uint8Array, advice = 'save the file as UTF-8'): string {
  const [first, second, third] = bytes;
  if (first === 0xff && second === 0xfe) return decodeUtf16(bytes, true);
  if (first === 0xfe && second === 0xff) return decodeUtf16(bytes, false);
  const mark = first === 0xef && second === 0xbb && third === 0xbf ? 3 : 0;
  const bad = firstInvalidByte(bytes, mark);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + mark, (bad < 0 ? bytes.length : bad) - mark).toString(
    'utf8',
  );
  const zero = bytes.indexOf(0);
  if (zero >= 0 && (bad < 0 || zero < bad)) {
    throw new RangeError(
      `line ${lineOf(text.slice(0, text.indexOf('\0')))}, byte offset ${zero}: a NUL byte; UTF-16 is read only with a byte order mark`,
    );
  }
  if (bad >= 0) {
    throw new RangeError(
      `line ${lineOf(text)}, byte offset ${bad}: byte 0x${hex(bytes[bad]!)} is not UTF-8; ${advice}`,
    );
  }
  return text;
}

function decodeUtf16(bytes: Uint8Array, littleEndian: boolean): string {
  const name = littleEndian ? 'UTF-16 LE' : 'UTF-16 BE';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const units = new Uint16Array((bytes.length - 2) >> 1);
  for (let i = 0; i < units.length; i++) units[i] = view.getUint16(2 + 2 * i, littleEndian);
  let text = '';
  for (let i = 0; i < units.length; i += 4096) text += String.fromCharCode(...units.subarray(i, i + 4096));
  const bad = text.search(/[\0\ud800-\udfff]/u); // NUL, or a lone surrogate
  if (bad >= 0) {
    const what = text[bad] === '\0' ? 'a NUL character' : 'a lone surrogate';
    throw new RangeError(`line ${lineOf(text.slice(0, bad))}, byte offset ${2 + 2 * bad}: ${what} in ${name}`);
  }
  if (bytes.length % 2 === 1) {
    throw new RangeError(
      `line ${lineOf(text)}, byte offset ${bytes.length - 1}: the last character of ${name} is incomplete`,
    );
  }
  return text;
}

/** Line number, from 1, at the end of a text. */
const lineOf = (before: string): number => before.split(/\r\n|\n|\r/).length;

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');
