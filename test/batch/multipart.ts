/** A program for any runtime: writes a file of more than one part to a bucket, twice, and reads it back. Its argument is the bucket. */
import { createHash } from 'node:crypto';
import { openStorage } from '../../src/batch/open-storage.ts';

const storage = await openStorage(process.argv.at(-1)!);
const bytes = new Uint8Array(65 << 20);
for (let i = 0; i < bytes.length; i += 1021) bytes[i] = i / 1021;
const written = [await storage.create('large', bytes), await storage.create('large', bytes.subarray(1))];
const stored = (await storage.read('large'))!;
console.log(
  JSON.stringify({ written, bytes: stored.length, sha256: createHash('sha256').update(stored).digest('hex') }),
);
