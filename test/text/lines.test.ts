/** Lines of bytes as they come, in pieces of any size. */
import { expect, it } from 'vitest';
import { byteLines, type LineEnd, LineTooLong } from '../../src/lines.ts';

async function lines(bytes: Uint8Array, size: number, end?: LineEnd, maxBytes = 100): Promise<(string | number)[]> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const found: (string | number)[] = [];
  for await (const line of byteLines(pieces(), { maxBytes, ...(end && { end }) })) {
    found.push(line instanceof LineTooLong ? line.maxBytes : Buffer.from(line).toString('latin1'));
  }
  return found;
}

it.each([1, 2, 3, 7, 100])(
  'ends a line at LF, with or without CR, and nowhere else: pieces of %i bytes',
  async (size) => {
    const text = Buffer.from('\xef\xbb\xbfone\r\ntw\ro\n\n\xe2\x80\xa8\xff\n\xef\xbb\xbflast\r', 'latin1');
    expect(await lines(text, size)).toEqual(['one', 'tw\ro', '', '\xe2\x80\xa8\xff', '\xef\xbb\xbflast']);
    expect(await lines(Buffer.from('a\r\nb\0\0c'), size, 'nul')).toEqual(['a\r\nb', '', 'c']);
    expect(await lines(Buffer.from(`a\n${'x'.repeat(50)}\nb`), size, undefined, 20)).toEqual(['a', 20, 'b']);
  },
);
