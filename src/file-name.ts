/**
 * File names that are not valid UTF-8. On Unix a name is a sequence of bytes; invalid bytes are represented by lone
 * surrogates U+DC80..U+DCFF as in Python (PEP 383), so a name from our JSON output opens the same file in Python.
 */
import { readdirSync } from 'node:fs';
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

/**
 * The file name that a command-line argument means. Node decodes arguments leniently, with U+FFFD for invalid bytes, so
 * such a name is looked up in its folder.
 * @returns undefined if no file or more than one file matches
 */
export function nameFromArgument(argument: string): string | undefined {
  if (process.platform === 'win32' || !argument.includes('\ufffd')) return argument;
  let path = '';
  for (const part of argument.split(/(\/+)/)) {
    if (!part.includes('\ufffd')) {
      path += part;
      continue;
    }
    const found = namesIn(path === '' ? '.' : path).filter((bytes) => bytes.toString('utf8') === part);
    if (found.length !== 1) return undefined;
    path += nameFromBytes(found[0]!);
  }
  return path;
}

function namesIn(directory: string): Buffer[] {
  try {
    return readdirSync(toPath(directory), { encoding: 'buffer' });
  } catch {
    return [];
  }
}
