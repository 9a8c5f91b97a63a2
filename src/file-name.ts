/**
 * File names that are not valid UTF-8. On Unix a name is a sequence of bytes; invalid bytes are represented by lone
 * surrogates U+DC80..U+DCFF as in Python (PEP 383), so a name from our JSON output opens the same file in Python.
 */
import { firstInvalidByte } from './utf8.ts';

const ESCAPED_BYTE = /([\udc80-\udcff])/u; // with the u flag: lone surrogates only

/** Decodes a name. */
export function nameFromBytes(bytes: Uint8Array): string {
  let name = '';
  for (let at = 0; ; ) {
    const bad = firstInvalidByte(bytes, at);
    name += Buffer.from(bytes.subarray(at, bad < 0 ? bytes.length : bad)).toString('utf8');
    if (bad < 0) return name;
    name += String.fromCharCode(0xdc00 + bytes[bad]!);
    at = bad + 1;
  }
}

/** The argument for `node:fs`: the name itself, or its bytes if they are not valid UTF-8. */
export function toPath(name: string): string | Buffer {
  if (process.platform === 'win32' || !ESCAPED_BYTE.test(name)) return name;
  const parts = name.split(new RegExp(ESCAPED_BYTE, 'gu'));
  return Buffer.concat(parts.map((part, i) => (i % 2 ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part))));
}
