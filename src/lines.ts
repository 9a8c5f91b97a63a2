/**
 * Lines of bytes as they come. A line ends with LF or CR LF, or with NUL; anything else is part of it (`readline` also ends it at a
 * lone CR and at U+2028, which names and JSON may have).
 */

/** What ends a line: LF with or without CR, or NUL as `find -print0` writes it. */
export type LineEnd = 'line feed' | 'nul';

/** A line beyond the limit: what came of it is gone. */
export class LineTooLong {
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }
}

/**
 * @param maxBytes of a line; of a longer one only `LineTooLong` is given, so that a stream without line ends does not fill the memory
 * @returns each line without its end and, in the first, without the byte order mark of UTF-8
 */
export async function* byteLines(
  chunks: AsyncIterable<Uint8Array | string>,
  { end = 'line feed', maxBytes }: { readonly end?: LineEnd; readonly maxBytes: number },
): AsyncGenerator<Uint8Array | LineTooLong> {
  const last = end === 'nul' ? 0 : 10;
  let pieces: Uint8Array[] = [];
  let length = 0;
  let isFirst = true;
  const take = (): Uint8Array | LineTooLong => {
    const isTooLong = length > maxBytes;
    let line: Uint8Array = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    pieces = [];
    length = 0;
    if (isFirst && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3);
    isFirst = false;
    if (isTooLong) return new LineTooLong(maxBytes);
    return end === 'line feed' && line.at(-1) === 13 ? line.subarray(0, -1) : line;
  };
  const add = (piece: Uint8Array) => {
    length += piece.length;
    if (length <= maxBytes) pieces.push(piece);
    else pieces = [];
  };
  for await (const given of chunks) {
    const chunk = typeof given === 'string' ? Buffer.from(given) : given;
    let start = 0;
    for (let at = chunk.indexOf(last); at >= 0; at = chunk.indexOf(last, start)) {
      add(chunk.subarray(start, at));
      yield take();
      start = at + 1;
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

/** Whether the first line has the byte order mark of UTF-16. */
export const isUtf16 = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
