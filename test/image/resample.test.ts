import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type CropGeometry, cropGeometry } from '../../src/image/geometry.ts';
import { turnUpright } from '../../src/image/orientation.ts';
import type { RawImage } from '../../src/image/raw-image.ts';
import { Crop, isVerticalFirst, takePixels } from '../../src/image/resample.ts';
import { Workspace } from '../../src/image/workspace.ts';
import { pillowCrop } from './reference.ts';

const module = await WebAssembly.compile(await readFile(new URL('../../dist/pictures.wasm', import.meta.url)));

describe('the memory of a crop', () => {
  it('follows the short side, whatever the long one is', () => {
    for (const [width, height, most] of [
      [1, 1, 20_000],
      [65_535, 3, 20_000],
      [9, 65_535, 20_000],
      [65_535, 500, 50_000],
      [500, 65_535, 50_000],
      [4000, 3000, 130_000],
      [10_000, 10_000, 400_000],
    ] as const) {
      const workspace = new Workspace(module);
      const before = workspace.used;
      new Crop(workspace, { width, height, channels: 3, planar: false }, cropGeometry(width, height, 224, 'floor'));
      expect(workspace.used - before - 224 * 224 * 3, `${width} x ${height}`).toBeLessThan(most);
    }
  });

  it('holds the rows of one output row where the vertical pass is first', () => {
    const workspace = new Workspace(module);
    const [width, height] = [3000, 6100];
    new Crop(workspace, { width, height, channels: 3, planar: false }, cropGeometry(width, height, 224, 'floor'));
    expect(workspace.used).toBeLessThan(3000 * 3 * (4 * (3000 / 224) + 3) + 300_000);
  });
});

/** Bytes that change quickly, the same in every run and in test/oracle/image.py. */
const hashes = new Uint8Array(14_000_000);
for (let i = 0; i < hashes.length; i++) {
  const hash = Math.imul(i, 2_654_435_761);
  hashes[i] = Math.imul(hash ^ (hash >>> 15), 2_246_822_519) >>> 24;
}

function noise(width: number, height: number, channels: 3 | 4): RawImage {
  return { data: hashes.subarray(0, width * height * channels), width, height, channels };
}

/** The crop of a picture whose rows come as decoders give them. */
function ourCrop(image: RawImage, geometry: CropGeometry, orientation = 1): Uint8Array {
  const workspace = new Workspace(module);
  const crop = new Crop(workspace, { ...image, planar: false }, geometry, orientation);
  takePixels(workspace, crop, image);
  const out = new Uint8Array(geometry.size ** 2 * 3);
  crop.write(out);
  return out;
}

describe('a crop', () => {
  it('is the reference for 240 random pictures, in both orders', () => {
    let state = 18;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const orders = { horizontal: 0, vertical: 0 };
    for (let n = 0; n < 240; n++) {
      const target = [1, 2, 5, 16, 31][n % 5]!;
      const width = 1 + random([8, 40, 120][n % 3]!);
      // Around the ratio where the order changes, and any.
      const height = n % 2 === 0 ? Math.max(1, 2 * width - 4 + random(9)) : 1 + random(200);
      const image = noise(width, height, random(2) === 0 ? 3 : 4);
      for (const rounding of ['floor', 'half-even'] as const) {
        const geometry = cropGeometry(width, height, target, rounding);
        orders[isVerticalFirst(image, geometry) ? 'vertical' : 'horizontal']++;
        const same = Buffer.from(ourCrop(image, geometry)).equals(pillowCrop(image, geometry));
        expect(same, `${width} x ${height} x ${image.channels} to ${target}, ${rounding}`).toBe(true);
      }
    }
    expect(Math.min(orders.horizontal, orders.vertical)).toBeGreaterThan(80);
  }, 20_000);

  it.each([
    [1, 5000, 3],
    [5000, 1, 3],
    [3, 20_000, 2],
    [40, 9000, 8],
    [9000, 40, 8],
    [1, 1, 40],
    [2, 3, 33],
    [3, 2, 33],
  ])('is the reference for %i x %i to %i', (width, height, target) => {
    const image = noise(width, height, 4);
    const geometry = cropGeometry(width, height, target, 'floor');
    expect(Buffer.from(ourCrop(image, geometry)).equals(pillowCrop(image, geometry))).toBe(true);
  });

  it.each([2, 3, 4, 5, 6, 7, 8])(
    'of a picture in orientation %i is that of the picture turned upright',
    (orientation) => {
      let vertical = 0;
      for (const [width, height] of [
        [40, 31],
        [31, 40],
        [90, 17],
        [17, 90],
        [5, 5],
        [8, 12],
        [3, 2],
      ] as const) {
        for (const size of [1, 5, 8]) {
          for (const channels of [3, 4] as const) {
            const image = noise(width, height, channels);
            const upright = turnUpright(image, orientation);
            const geometry = cropGeometry(upright.width, upright.height, size, 'floor');
            if (isVerticalFirst(upright, geometry)) vertical++;
            const same = Buffer.from(ourCrop(image, geometry, orientation)).equals(pillowCrop(upright, geometry));
            expect(same, `${width} x ${height} x ${channels} to ${size}`).toBe(true);
          }
        }
      }
      expect(vertical).toBeGreaterThan(3);
    },
  );

  it.each([1, 2, 3, 6])('takes gray rows and planes, in orientation %i', (orientation) => {
    for (const [width, height] of [
      [40, 31],
      [17, 90],
      [8, 8],
    ] as const) {
      for (const kind of ['gray', 'planar'] as const) {
        const image = noise(width, height, 3);
        const data = new Uint8Array(image.data);
        if (kind === 'gray') for (let i = 0; i < data.length; i++) data[i] = image.data[3 * Math.floor(i / 3)]!;
        const upright = turnUpright({ ...image, data }, orientation);
        const geometry = cropGeometry(upright.width, upright.height, 8, 'floor');
        const workspace = new Workspace(module);
        const planes = kind === 'gray' ? 1 : 3;
        const format = { width, height, channels: planes as 1 | 3, planar: kind === 'planar' };
        const crop = new Crop(workspace, format, geometry, orientation);
        const [plane, stride] = [width + 5, 3 * (width + 5)];
        const at = workspace.reserve(2 * stride);
        for (let first = 0; first < height; first += 2) {
          const count = Math.min(2, height - first);
          for (let y = 0; y < count; y++) {
            for (let i = 0; i < planes * width; i++) {
              const [p, x] = [Math.floor(i / width), i % width];
              workspace.bytes[at + y * stride + p * plane + x] = data[((first + y) * width + x) * 3 + p]!;
            }
          }
          crop.take({ at, stride, plane: kind === 'planar' ? plane : 0, first, count });
        }
        const out = new Uint8Array(8 * 8 * 3);
        crop.write(out);
        expect(Buffer.from(out).equals(pillowCrop(upright, geometry)), `${width} x ${height}, ${kind}`).toBe(true);
      }
    }
  });

  it('is what Pillow 13 makes of 200 random sizes', async () => {
    const file = new URL('../golden/image-cases/resize.json', import.meta.url);
    const { cases }: { cases: [number, number, number, string, string][] } = JSON.parse(await readFile(file, 'utf8'));
    expect(cases.length).toBe(200);
    for (const [width, height, target, floor, halfEven] of cases) {
      const image = noise(width, height, 3);
      const crops = (['floor', 'half-even'] as const).map((rounding) => {
        const crop = ourCrop(image, cropGeometry(width, height, target, rounding));
        return createHash('sha256').update(crop).digest('hex').slice(0, 16);
      });
      expect(crops, `${width} x ${height} to ${target}`).toEqual([floor, halfEven]);
    }
  });

  it('writes inside its own parts of the workspace only', () => {
    for (const [width, height, size] of [
      [40, 31, 8],
      [3, 90, 5],
      [90, 3, 16],
      [1, 1, 1],
      [200, 200, 7],
      [40, 90, 8],
      [500, 1200, 3],
    ] as const) {
      for (const channels of [3, 4] as const) {
        const image = noise(width, height, channels);
        const geometry = cropGeometry(width, height, size, 'floor');
        const workspace = new Workspace(module);
        const before = workspace.reserve(4096);
        const crop = new Crop(workspace, { ...image, planar: false }, geometry);
        const after = workspace.reserve(4096);
        workspace.bytes.fill(0xa5, before, before + 4096).fill(0xa5, after, after + 4096);
        takePixels(workspace, crop, image);
        for (const at of [before, after]) {
          expect(workspace.bytes.subarray(at, at + 4096).every((value) => value === 0xa5)).toBe(true);
        }
      }
    }
  });
});
