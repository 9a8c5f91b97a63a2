/** Bytes of base64 text (RFC 4648 section 4), with `Uint8Array.fromBase64` where there is one. */

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The text is the package's own: padded, without blanks or line breaks. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const { fromBase64 } = Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  return fromBase64 ? fromBase64.call(Uint8Array, text) : decodeWithTable(text);
}

/** The same without help of the engine. */
export function decodeWithTable(text: string): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(128);
  for (let i = 0; i < 64; i++) table[DIGITS.charCodeAt(i)] = i;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const digit = (i: number) => table[text.charCodeAt(i)]!;
  for (let from = 0, to = 0; from < text.length; from += 4, to += 3) {
    const bits = (digit(from) << 18) | (digit(from + 1) << 12) | (digit(from + 2) << 6) | digit(from + 3);
    bytes[to] = bits >> 16;
    bytes[to + 1] = bits >> 8; // past the end, at the padding, nothing is written
    bytes[to + 2] = bits;
  }
  return bytes;
}
