/** The checksum that a part holds of itself: SHA-256 of its bytes, with zeros where the checksum's digits are. */
import { createHash } from 'node:crypto';

/** The digits before the rest of the file is known. */
export const UNSEALED = '0'.repeat(64);

/** How the digits stand in the JSON of the metadata. Inside a string of that JSON the quotation marks would be escaped. */
const field = (digits: string): string => `"sha256":"${digits}"`;

/** Puts the checksum of a file in place of `UNSEALED`, and returns it. */
export function seal(file: Uint8Array): Uint8Array {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const at = bytes.lastIndexOf(field(UNSEALED));
  bytes.write(field(sha256(bytes)), at, 'latin1');
  return file;
}

/** Whether a file is as it was when it got this checksum. */
export function isSealed(file: Uint8Array, digits: string): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const at = bytes.lastIndexOf(field(digits));
  if (at < 0) return false;
  const zeros = Buffer.from(field(UNSEALED));
  return sha256(bytes.subarray(0, at), zeros, bytes.subarray(at + zeros.length)) === digits;
}

/** In hexadecimal digits, of the pieces together. */
export function sha256(...pieces: readonly NodeJS.ArrayBufferView[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
