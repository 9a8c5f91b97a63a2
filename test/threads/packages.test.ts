/** Pictures that optional packages decode: threads import those by their address, and the caller does what they cannot. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Clip } from '../../src/clip.ts';
import { Mode } from '../../src/engine/calls.ts';
import { ownFormat } from '../../src/image/format.ts';
import type { OptionalFormat } from '../../src/platform/platform.ts';
import { photo, pictures } from '../api/pictures.ts';
import { heif } from '../image/heif.ts';
import { goldenPath } from '../model/golden.ts';

/** Another address, or none, in place of the package's. */
let instead: { readonly address: string | undefined } | undefined;
vi.mock('#platform', async (original) => {
  const platform = await original<typeof import('../../src/platform/node.ts')>();
  const decoderAddress = (format: OptionalFormat) => (instead ?? { address: platform.decoderAddress(format) }).address;
  return { ...platform, decoderAddress };
});
const { loadClip } = await import('../../src/load.ts');
const crop = await import('../../src/image/crop.ts');

/** A module whose AVIF decoder runs this code. */
const packageThat = (code: string) => ({
  address: `data:text/javascript,${encodeURIComponent(`import { existsSync } from 'node:fs'; export const avif = { bitDepth: [8], loadDecoder: async () => ({ HEAPU8: new Uint8Array(65536) }), decode(bytes) { ${code} } };`)}`,
});
const GRAY = 'return { data: new Uint8ClampedArray(37 * 29 * 4).fill(128), width: 37, height: 29, depth: 8 };';

const avif = heif('avif-420-full');
const heic = heif('heic-444');
const webp = pictures.find((bytes) => ownFormat(bytes) === 'webp')!.slice();
const model = goldenPath('tiny-vit');
let single: Clip;
let two: Clip;
beforeAll(async () => {
  single = await loadClip(model, { towers: ['image'] });
  two = await loadClip(model, { towers: ['image'], threads: 2, variant: Mode.none });
});
afterAll(() => {
  single.dispose();
  two.dispose();
});
afterEach(() => {
  instead = undefined;
  vi.restoreAllMocks();
});

it.each([
  ['in a batch', (clip: Clip) => clip.encodeImage([avif, photo, heic, avif])],
  ['in a batch of files that are read', (clip: Clip) => clip.encodeImage([avif, avif].map((file) => new Blob([file])))],
  ['alone', async (clip: Clip) => [await clip.encodeImage(avif), await clip.encodeImage(heic)]],
  ['alone, and read', async (clip: Clip) => [await clip.encodeImage(new Response(avif))]],
] as const)('%s they are decoded by threads, with the bits of one', async (_, encode) => {
  const expected = await encode(single);
  const decode = vi.spyOn(crop, 'cropImage');
  expect(await encode(two)).toEqual(expected);
  expect(decode).not.toHaveBeenCalled();
});

describe.each([
  ['is not found', undefined],
  ['cannot be imported', 'data:text/javascript,throw new Error("not in a thread")'],
  ['is another one', 'data:text/javascript,export default 1'],
])('the caller decodes where the package %s', (_, address) => {
  it.each([
    ['in a batch', (clip: Clip) => clip.encodeImage([avif, photo, avif])],
    ['alone', (clip: Clip) => clip.encodeImage(avif)],
  ] as const)('%s', async (_, encode) => {
    const expected = await encode(single);
    instead = { address };
    const decode = vi.spyOn(crop, 'cropImage');
    expect(await encode(two)).toEqual(expected);
    expect(decode).toHaveBeenCalled();
  });
});

it('a WebP that is read is decoded by a thread, too; a JPEG as it comes, by the caller', async () => {
  const decode = vi.spyOn(crop, 'cropImage');
  const read = (file: Uint8Array<ArrayBuffer>) => two.encodeImage(new Blob([file]));
  const embedding = await read(webp);
  expect(decode).not.toHaveBeenCalled();
  expect(embedding).toEqual(await two.encodeImage(webp));
  expect(await read(photo.slice())).toEqual(await single.encodeImage(photo));
  expect(decode).toHaveBeenCalled();
});

it.each([
  ['alone', () => two.encodeImage(avif)],
  ['in a batch', () => two.encodeImage([avif, photo, photo])],
] as const)('the event loop of the caller turns while a thread decodes: %s', async (_, encode) => {
  const folder = mkdtempSync(join(tmpdir(), 'edgeclip-turns-'));
  const turned = join(folder, 'turned');
  // It waits for what the caller does in another turn.
  instead = packageThat(`
    for (let i = 0; !existsSync(${JSON.stringify(turned)}); i++) {
      if (i === 3000) throw new Error('the caller did nothing');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
    ${GRAY}`);
  const embeddings = encode();
  const timer = setTimeout(() => writeFileSync(turned, ''), 200);
  try {
    await expect(embeddings).resolves.toBeDefined();
  } finally {
    clearTimeout(timer);
    rmSync(folder, { recursive: true });
  }
});

it('damage is reported as one thread reports it', async () => {
  const cut = avif.slice(0, 400);
  const expected = await single.encodeImage([cut, photo], { settled: true });
  const results = await two.encodeImage([cut, photo], { settled: true });
  expect(results).toEqual(expected);
  expect(results[0]).toMatchObject({ status: 'rejected', reason: { code: expect.stringMatching(/^IMAGE_/) } });
});

it('a worker that dies in a package loses its picture, and no other', async () => {
  const expected = await single.encodeImage([photo, photo]);
  instead = packageThat('process.exit(1)');
  const results = await two.encodeImage([photo, avif, photo], { settled: true });
  expect(results).toEqual([
    { status: 'fulfilled', value: expected[0] },
    { status: 'rejected', reason: expect.objectContaining({ code: 'WORKER', message: expect.stringMatching(/lost/) }) },
    { status: 'fulfilled', value: expected[1] },
  ]);
  instead = undefined;
  expect(await two.encodeImage([avif, avif])).toEqual(await single.encodeImage([avif, avif]));
});

it('info() counts what the package for AVIF keeps, of all threads', async () => {
  const clip = await loadClip(model, { towers: ['image'], threads: 2, variant: Mode.none });
  await clip.encodeImage(photo);
  const { decoders } = clip.info().memory;
  await clip.encodeImage([avif, avif, avif, avif]);
  expect(clip.info().memory.decoders - decoders).toBeGreaterThan(16 << 20);
  clip.dispose();
});
