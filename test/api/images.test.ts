import { afterAll, describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { decodeImage, type ImageInput } from '../../src/image/decode.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { loadClip } from '../../src/load.ts';
import { goldenPath, syntheticPicture } from '../model/golden.ts';
import { rejection } from './checkpoint.ts';
import { badPictures, golden, photo, pictures } from './pictures.ts';

const clip = await loadClip(goldenPath('tiny-vit-hf'));
afterAll(() => clip.dispose());
const expected = await clip.encodeImage(photo);

describe('encodeImage', () => {
  it('gives a vector of length one for a picture, an array for an array, in order', async () => {
    expect(expected).toBeInstanceOf(Float32Array);
    expect(expected).toHaveLength(clip.info().embedDim);
    expect(Math.hypot(...expected)).toBeCloseTo(1, 6);
    const batch = await clip.encodeImage(pictures);
    expect(batch).toHaveLength(pictures.length);
    for (const [i, picture] of pictures.entries()) expect(batch[i]).toEqual(await clip.encodeImage(picture));
    expect(new Set(batch.map(String)).size).toBe(pictures.length);
    expect(await clip.encodeImage([photo])).toEqual([expected]);
    expect(await clip.encodeImage([])).toEqual([]);
  });

  it('gives each call a vector of its own', async () => {
    const [first, second] = await clip.encodeImage([photo, photo]);
    first.fill(7);
    expect(second).toEqual(expected);
    expect(await clip.encodeImage(photo)).toEqual(expected);
  });

  it('leaves the length as the tower gives it where that is asked for', async () => {
    const raw = await clip.encodeImage(photo, { normalize: false });
    const length = Math.hypot(...raw);
    expect(Math.abs(length - 1)).toBeGreaterThan(0.1);
    for (const [i, value] of raw.entries()) expect(value / length).toBeCloseTo(expected[i], 6);
    expect(await clip.encodeImage([photo], { normalize: false })).toEqual([raw]);
    expect(await clip.encodeImage(photo, { normalize: true })).toEqual(expected);
  });

  it('takes the bytes of a file in any wrapping, and leaves them as they were', async () => {
    const padded = new Uint8Array(photo.length + 13);
    padded.set(photo, 5);
    const buffer = Buffer.from(photo);
    const inputs: ImageInput[] = [
      buffer,
      photo.slice().buffer,
      padded.subarray(5, 5 + photo.length),
      new Blob([photo.slice()]),
      new File([photo.slice()], 'photo.jpg'),
    ];
    for (const input of inputs) expect(await clip.encodeImage(input)).toEqual(expected);
    expect(buffer.equals(photo)).toBe(true);
    expect(photo).toEqual(golden('preprocess/inputs/photo_0.jpg'));
  });

  it('takes pixels: RGB, RGBA whatever its alpha, gray, and gray with alpha', async () => {
    const rgb = syntheticPicture(90);
    const area = 90 * 90;
    const of = (channels: 1 | 2 | 3 | 4, value: (pixel: number, channel: number) => number) => ({
      data: Uint8Array.from({ length: area * channels }, (_, i) => value(Math.floor(i / channels), i % channels)),
      width: 90,
      height: 90,
      channels,
    });
    const colors = await clip.encodeImage(rgb);
    const rgba = of(4, (pixel, channel) => (channel === 3 ? pixel % 256 : rgb.data[pixel * 3 + channel]));
    expect(await clip.encodeImage(rgba)).toEqual(colors);
    const { channels: _, ...unsaid } = rgba;
    expect(await clip.encodeImage(unsaid)).toEqual(colors);
    const imageData = { ...unsaid, data: new Uint8ClampedArray(rgba.data), colorSpace: 'srgb' } as ImageData;
    expect(await clip.encodeImage(imageData)).toEqual(colors);

    const red = (pixel: number) => rgb.data[pixel * 3];
    const gray = await clip.encodeImage(of(3, red));
    expect(gray).not.toEqual(colors);
    expect(await clip.encodeImage(of(1, red))).toEqual(gray);
    expect(await clip.encodeImage(of(2, (pixel, channel) => (channel === 1 ? 0 : red(pixel))))).toEqual(gray);
  });

  it('sees the same in a file, in its decoded pixels, and in the crop that preprocess shows', async () => {
    for (const picture of pictures) {
      const embedding = await clip.encodeImage(picture);
      expect(await clip.encodeImage(await decodeImage(picture))).toEqual(embedding);
      const crop = await preprocess(picture, clip.preprocess);
      expect(crop).toMatchObject({ width: 80, height: 80 });
      expect(await clip.encodeImage(crop)).toEqual(embedding);
    }
  });

  it('R02: takes the first frame of an animation', async () => {
    const red = { data: new Uint8Array(600).map((_, i) => (i % 3 === 0 ? 255 : 0)), width: 20, height: 10 };
    const frame = await clip.encodeImage(red);
    expect(await clip.encodeImage(golden('image-cases/r02-animated.webp'))).toEqual(frame);
    expect(await clip.encodeImage(golden('image-cases/r02-animated.png'))).toEqual(frame);
  });

  it('turns a picture upright only when told', async () => {
    const turned = golden('image-cases/jpeg-exif6.jpg');
    const lying = await clip.encodeImage(turned);
    const upright = await clip.encodeImage(turned, { orient: true });
    expect(upright).not.toEqual(lying);
    expect(upright).toEqual(await clip.encodeImage(await decodeImage(turned, { orient: true })));
  });

  it.each(badPictures)('refuses %s', async (_, bytes, code, message) => {
    const error = await rejection(clip.encodeImage(bytes));
    expect(error).toBeInstanceOf(ClipError);
    expect((error as ClipError).code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/^image \d/);
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a path', 'cat.jpg'],
    ['a number', 7],
    ['an object', { width: 1 }],
    ['pixels of another type', { data: new Float32Array(3), width: 1, height: 1 }],
  ])('refuses %s with a TypeError', async (_, input) => {
    expect(await rejection(clip.encodeImage(input as unknown as Uint8Array))).toBeInstanceOf(TypeError);
    const error = await rejection(clip.encodeImage([photo, input as unknown as Uint8Array]));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(/^image 1: /);
  });

  it('refuses pixels whose length does not fit', async () => {
    for (const pixels of [
      { data: new Uint8Array(11), width: 2, height: 2 },
      { data: new Uint8Array(12), width: 2, height: 2, channels: 4 as const },
      { data: new Uint8Array(0), width: 0, height: 0 },
    ]) {
      expect(await rejection(clip.encodeImage(pixels))).toBeInstanceOf(RangeError);
      expect((await rejection(clip.encodeImage([pixels]))).message).toMatch(/^image 0: raw pixels/);
    }
  });

  it('names the position of a bad picture in a batch and keeps its code', async () => {
    for (const [name, bytes, code, message] of badPictures) {
      const error = await rejection(clip.encodeImage([photo, pictures[2], bytes, photo]));
      expect(error, name).toMatchObject({ name: 'ClipError', code });
      expect(error.message).toMatch(/^image 2: /);
      expect(error.message).toMatch(message);
      expect(error.cause).toBeInstanceOf(ClipError);
    }
  });

  it('gives the same bits after any failure', async () => {
    const before = await clip.encodeImage(pictures);
    for (const [name, bytes] of badPictures) {
      await rejection(clip.encodeImage(bytes));
      expect(await clip.encodeImage(pictures), name).toEqual(before);
    }
  });

  it('has limits a call, which cannot exceed those of loading', async () => {
    const [width, height] = [97, 61];
    const small = pictures[2];
    const refused = async (options: object) => rejection(clip.encodeImage(small, options));
    expect(await refused({ maxPixels: width * height - 1 })).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(await refused({ maxBytes: small.length - 1 })).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    const expected = await clip.encodeImage(small);
    expect(await clip.encodeImage(small, { maxPixels: width * height, maxBytes: small.length })).toEqual(expected);

    using limited = await loadClip(goldenPath('tiny-vit-hf'), { maxPixels: width * height });
    expect(await limited.encodeImage(small)).toEqual(expected);
    const error = await rejection(limited.encodeImage(photo, { maxPixels: 1e9 }));
    expect(error).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });

  it('stops between two pictures by its signal, and reports each that is done', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const seen: object[] = [];
    const stopped = clip.encodeImage(pictures, {
      signal: controller.signal,
      onProgress(progress) {
        seen.push(progress);
        if (progress.done === 2) controller.abort(reason);
      },
    });
    expect(await rejection(stopped)).toBe(reason);
    expect(seen).toEqual([1, 2].map((done) => ({ done, total: pictures.length })));
    expect(await rejection(clip.encodeImage(photo, { signal: controller.signal }))).toBe(reason);
    expect(await clip.encodeImage(photo, { signal: new AbortController().signal })).toEqual(expected);
  });
});
