/** R31: nothing is kept of pictures, broken ones included, nor of models that were disposed of. */
import { readFile } from 'node:fs/promises';
import encodeWebp, { init as initWebp } from '@jsquash/webp/encode.js';
import { beforeAll, expect, it } from 'vitest';
import type { Clip } from '../../src/clip.ts';
import { Mode } from '../../src/engine/calls.ts';
import { loadClip } from '../../src/load.ts';
import { encodePng } from '../image/png-file.ts';
import { goldenPath } from '../model/golden.ts';
import { residentBytes } from './resident-memory.ts';

/** Growth of resident memory that is taken for noise: 15 kB for each of 400 pictures. */
const NOISE = 6 << 20;
/** The same of 50 tiny models, which take 4 MB each: four of them. Busy machines were seen at 7 MB. */
const NOISE_OF_MODELS = 16 << 20;

/** A picture that no codec can press much, different for every seed. */
function noisyPicture(width: number, height: number, seed: number): ImageData {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0, state = seed; i < data.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    data[i] = i % 4 === 3 ? 255 : 128 + ((i >> 6) & 63) + (state >>> 27);
  }
  return { data, width, height, colorSpace: 'srgb' };
}

const sizes = [
  [120, 90],
  [640, 480],
  [1200, 900],
] as const;

/** A small baseline file, a progressive one, and one of two megapixels. */
const JPEGS = [
  'preprocess/inputs/jpeg_q75_500x375.jpg',
  'preprocess/inputs/jpeg_progressive_320x400.jpg',
  'preprocess/inputs/photo_1.jpg',
];

/** JPEG, PNG and WebP in turn, of each size. */
const files: Uint8Array[] = [];

beforeAll(async () => {
  const module = async (path: string) =>
    WebAssembly.compile(await readFile(new URL(import.meta.resolve(`@jsquash/${path}`))));
  await initWebp(await module('webp/codec/enc/webp_enc_simd.wasm'));
  for (const [i, [width, height]] of sizes.entries()) {
    const picture = noisyPicture(width, height, i);
    files.push(new Uint8Array(await readFile(goldenPath(JPEGS[i]!))));
    files.push(encodePng(picture.data, width, height, 4));
    files.push(new Uint8Array(await encodeWebp(picture)));
  }
});

/** The picture of a turn; every tenth is broken: cut, with a hole in its data, or with another header. */
function pictureOf(turn: number): { bytes: Uint8Array; broken: boolean } {
  const file = files[turn % files.length];
  if (turn % 10 !== 9) return { bytes: file, broken: false };
  if (turn % 20 === 9) return { bytes: file.subarray(0, file.length >> 1), broken: true };
  const bytes = file.slice();
  bytes.fill(0xff, turn % 30 === 19 ? bytes.length >> 2 : 0, (bytes.length >> 2) + 40);
  return { bytes, broken: true };
}

async function embedAll(clip: Clip, from: number, to: number): Promise<void> {
  for (let turn = from; turn < to; turn++) {
    const { bytes, broken } = pictureOf(turn);
    const failed = await clip.encodeImage(bytes).then(
      () => false,
      (error) => {
        expect(error).toMatchObject({ name: 'ClipError', code: expect.stringMatching(/^IMAGE_/) });
        return true;
      },
    );
    // A hole in the picture data of a JPEG is not an error to libjpeg, as in Pillow.
    if (!broken) expect(failed).toBe(false);
  }
}

/** Looks after each work, as freed pages may go back seconds later. */
const LOOKS = 5;

/** Runs the work, and again as long as memory grew: noise does not grow each time, a leak does. */
async function leastGrowth(work: () => Promise<void>, noise = NOISE): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 4 && least >= noise; attempt++) {
    const before = await residentBytes();
    await work();
    for (let look = 0; look < LOOKS && least >= noise; look++)
      least = Math.min(least, (await residentBytes()) - before);
  }
  return least;
}

it('resident memory is as high after 500 pictures as after 100', async () => {
  using clip = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['image'] });
  const { total } = clip.info().memory;
  await embedAll(clip, 0, 100);
  expect(await leastGrowth(() => embedAll(clip, 100, 500))).toBeLessThan(NOISE);
  expect(clip.info().memory.total).toBe(total);
});

it('fifty times load and dispose return to where they began', async () => {
  const loadAndDispose = async () => {
    const clip = await loadClip(goldenPath('tiny-vit-hf'));
    await clip.encodeImage(files[0]);
    await clip.encodeTokens([[598, 5, 599]]);
    clip.dispose();
  };
  for (let warm = 0; warm < 5; warm++) await loadAndDispose();
  const fifty = async () => {
    for (let i = 0; i < 50; i++) await loadAndDispose();
  };
  expect(await leastGrowth(fifty, NOISE_OF_MODELS)).toBeLessThan(NOISE_OF_MODELS);
});

it('broken pictures alone leave nothing behind', async () => {
  using clip = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['image'] });
  const broken = async () => {
    for (let turn = 9; turn < 1000; turn += 10) await embedAll(clip, turn, turn + 1);
  };
  await broken();
  expect(await leastGrowth(broken)).toBeLessThan(NOISE);
});

it("threads free a picture's bytes when they are done with it, or it failed", async () => {
  using clip = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['image'], threads: 2, variant: Mode.none });
  const broken = new Uint8Array(4 << 20);
  broken.set([0xff, 0xd8, 0xff, 0xdb, 0, 1]); // a segment shorter than its length
  const batch = async (count: number) => {
    let peak = 0;
    const pictures = Array.from({ length: count }, () => () => broken);
    for await (const { error } of clip.encodeImages(pictures)) {
      expect(error).toMatchObject({ code: 'IMAGE_FORMAT' });
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    return peak;
  };
  await batch(8);
  const before = await residentBytes();
  // Six are held at once: 24 MB. Left to the collector, more than 100 MB of 800 were.
  expect((await batch(200)) - before).toBeLessThan(64 << 20);
});
