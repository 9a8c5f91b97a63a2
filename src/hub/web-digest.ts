/** Checksums where there is no `node:crypto`: of bytes that are here by WebCrypto, of a stream by @noble/hashes. */

/** Hashes what comes in pieces; WebCrypto cannot. */
export interface RunningDigest {
  update(bytes: Uint8Array): unknown;
  /** The checksum in hexadecimal digits; nothing can be added afterwards. */
  end(): string;
}

/** How an id is made (fileId in digest.ts): git's object id, of 40 digits, begins with the length. */
const isGit = (id: string): boolean => id.length === 40;
const gitHead = (byteLength: number): Uint8Array<ArrayBuffer> => new TextEncoder().encode(`blob ${byteLength}\0`);

/** The checksum of a file of this length, of the kind that `id` is. */
export async function startDigest(id: string, byteLength: number): Promise<RunningDigest> {
  const hash = isGit(id)
    ? (await import('@noble/hashes/legacy.js')).sha1.create().update(gitHead(byteLength))
    : (await import('@noble/hashes/sha2.js')).sha256.create();
  return { update: (bytes) => hash.update(bytes), end: () => hexadecimal(hash.digest()) };
}

/** The checksum of a file that is in memory, of the kind that `id` is. */
export async function bytesDigest(bytes: Uint8Array<ArrayBuffer>, id: string): Promise<string> {
  // Missing on pages without https.
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (!subtle) {
    const digest = await startDigest(id, bytes.byteLength);
    digest.update(bytes);
    return digest.end();
  }
  if (!isGit(id)) return sha256(bytes);
  const blob = new Uint8Array([...gitHead(bytes.byteLength), ...bytes]);
  return hexadecimal(new Uint8Array(await subtle.digest('SHA-1', blob)));
}

/** For secure pages and workers. */
export const sha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  hexadecimal(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));

const hexadecimal = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
