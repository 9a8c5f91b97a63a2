import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileSource, readTextFile } from '../../src/platform/node.ts';
import { blobSource, bytesSource, type Source, sliceSource } from '../../src/weights/source.ts';

const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'a b#c 100% 猫 ü '));
  await writeFile(join(folder, '50% off #3.bin'), bytes);
});
afterAll(() => rm(folder, { recursive: true }));

const sources: [string, () => Promise<Source>][] = [
  ['bytes', async () => bytesSource(bytes)],
  ['a buffer', async () => bytesSource(bytes.slice().buffer)],
  ['a blob', async () => blobSource(new Blob([bytes]))],
  [
    'parts of a store',
    async () => sliceSource({ size: bytes.length, slice: async (from, to) => bytes.subarray(from, to) }),
  ],
  [
    'parts of a store that are blobs, and its byteLength',
    async () => sliceSource({ byteLength: bytes.length, slice: (from, to) => new Blob([bytes.subarray(from, to)]) }),
  ],
  ['a file with an odd path', () => fileSource(join(folder, '50% off #3.bin'))],
];

describe.each(sources)('a source over %s', (_, open) => {
  it.each([
    ['plain memory', (length: number) => new Uint8Array(length + 16).subarray(8, 8 + length)],
    ['shared memory', (length: number) => new Uint8Array(new SharedArrayBuffer(length + 16), 8, length)],
    [
      'wasm memory',
      (length: number) => new Uint8Array(new WebAssembly.Memory({ initial: 64 }).buffer, 65_536 + 1, length),
    ],
  ])('fills a view of %s and nothing around it', async (_kind, view) => {
    const source = await open();
    expect(source.byteLength).toBe(bytes.byteLength);
    const target = view(2_500_000);
    await source.readInto(1234, target);
    expect(Buffer.compare(Buffer.from(target), Buffer.from(bytes.subarray(1234, 2_501_234)))).toBe(0);
    const around = new Uint8Array(target.buffer);
    expect(around[target.byteOffset - 1]).toBe(0);
    expect(around[target.byteOffset + target.byteLength]).toBe(0);
    await source.close?.();
  });

  it('refuses a range that reaches past the end', async () => {
    const source = await open();
    await source.readInto(2_999_990, new Uint8Array(10));
    await expect(source.readInto(2_999_991, new Uint8Array(10))).rejects.toMatchObject({ code: 'IO' });
    await expect(source.readInto(-1, new Uint8Array(10))).rejects.toMatchObject({ code: 'IO' });
    await source.close?.();
  });

  it('stops when aborted, with the reason that was given', async () => {
    const source = await open();
    const reason = new Error('enough');
    await expect(source.readInto(0, new Uint8Array(10), AbortSignal.abort(reason))).rejects.toBe(reason);
    await source.close?.();
  });
});

describe('files', () => {
  it('says which file and why', async () => {
    for (const read of [fileSource, readTextFile]) {
      await expect(read(` ${folder}`)).rejects.toMatchObject({
        code: 'IO',
        message: `cannot read " ${folder}": there is no such file`,
      });
      await expect(read(folder)).rejects.toMatchObject({
        code: 'IO',
        message: `cannot read "${folder}": it is a folder`,
      });
      await expect(read(join(folder, '50% off #3.bin', 'x'))).rejects.toMatchObject({
        code: 'IO',
        message: expect.stringContaining('a part of the path is a file'),
      });
    }
  });

  it('notices a file that has become shorter', async () => {
    const path = join(folder, 'shrinks');
    await writeFile(path, bytes.subarray(0, 100));
    const source = await fileSource(path);
    await writeFile(path, bytes.subarray(0, 40));
    await expect(source.readInto(0, new Uint8Array(100))).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('was 100 bytes long and now ends at 40'),
    });
    await source.close?.();
  });

  it('reads text as UTF-8', async () => {
    await writeFile(join(folder, '猫.json'), '{"ü": 1}');
    expect(await readTextFile(join(folder, '猫.json'))).toBe('{"ü": 1}');
  });
});

describe('what changes under a source', () => {
  it('a file behind a blob: a typed error, never half of each', async () => {
    const path = join(folder, 'behind a blob');
    await writeFile(path, bytes);
    const source = blobSource(await openAsBlob(path), 'behind a blob');
    await source.readInto(0, new Uint8Array(100));
    await writeFile(path, bytes.subarray(0, 1000));
    const error = await source.readInto(0, new Uint8Array(5000)).then(
      () => undefined,
      (error) => error,
    );
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(error.message).toMatch(/^"behind a blob": reading (failed|gave)/);
    expect(error.cause).toMatchObject({ name: 'NotReadableError' });
  });

  it('a blob that gives fewer bytes than it has', async () => {
    const lying = {
      size: 100,
      slice: (from: number, to: number) => ({ size: to - from, arrayBuffer: async () => bytes.slice(0, 40).buffer }),
    };
    await expect(blobSource(lying as unknown as Blob, 'x').readInto(0, new Uint8Array(100))).rejects.toMatchObject({
      code: 'IO',
      message: '"x": reading gave 40 of 100 bytes',
    });
  });

  it('a buffer that was transferred', async () => {
    const own = bytes.slice();
    const source = bytesSource(own, 'x');
    structuredClone(own.buffer, { transfer: [own.buffer] });
    await expect(source.readInto(0, new Uint8Array(100))).rejects.toMatchObject({
      code: 'IO',
      message: '"x": the buffer was transferred',
    });
  });
});

it('a store without a length in bytes is refused', () => {
  const slice = () => new ArrayBuffer(0);
  for (const size of [undefined, -1, 0.5, Number.NaN]) {
    expect(() => sliceSource({ slice, ...(size !== undefined && { size }) }, 'model.bin')).toThrow(
      new TypeError(`"model.bin" must have its length in bytes as size or byteLength, got ${size}`),
    );
  }
  expect(sliceSource({ slice, size: 0 }).byteLength).toBe(0);
});

it('a store that gives less than was asked for is told so', async () => {
  const store = sliceSource({ size: 100, slice: (from, to) => bytes.subarray(from, to - 1) }, 'model.bin');
  await expect(store.readInto(0, new Uint8Array(10))).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringContaining('9 bytes'),
  });
});
