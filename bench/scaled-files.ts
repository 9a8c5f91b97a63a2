/** The files of the suite `scaled`: a part of a photo, in other light, at some size, as a JPEG of some quality and sampling. */
import { readFileSync } from 'node:fs';
import { decodeImage } from '../src/image/decode.ts';
import type { RawImage } from '../src/image/raw-image.ts';
import { encodeJpeg } from './large-photo.js';
import { variant } from './quantization.ts';

export const PHOTOS = new URL('../test/golden/photos/', import.meta.url);
/** Random numbers that a file is made of. */
export const DRAWS = 9;

/** What a file is made of. */
export interface ScaledFile {
  readonly photo: string;
  /** {@link DRAWS} numbers from 0 to 1. */
  readonly draws: readonly number[];
}

/** What `scaled` changes in a file. */
export interface Difference {
  /** What Pillow's draft picks for the crop: 1, 2, 4 or 8. */
  readonly scale: number;
  readonly cosine: number;
  /** Whether the first label is the same. */
  readonly same: boolean;
}

const SIZE = 224;
const [MAX_WIDTH, MAX_HEIGHT] = [4000, 3000];

export async function scaledFile({ photo, draws }: ScaledFile): Promise<{ bytes: Uint8Array; scale: number }> {
  let drawn = 0;
  const random = () => draws[drawn++]!;
  const picture = resized(variant(await decodeImage(readFileSync(new URL(photo, PHOTOS))), random), random);
  const quality = Math.floor(50 + 46 * random());
  const bytes = await encodeJpeg(picture, { quality, halved: random() < 0.7 });
  if (drawn !== DRAWS) throw new Error(`a file takes ${drawn} random numbers, not ${DRAWS}`);
  const edge = Math.min(picture.width, picture.height);
  return { bytes, scale: [8, 4, 2].find((scale) => edge >= scale * SIZE) ?? 1 };
}

/** Enlarged or not, with straight lines between pixels: from 300 pixels to as many as fit into 4000 x 3000, all powers alike. */
function resized({ data, width, height }: Omit<RawImage, 'channels'>, random: () => number): RawImage {
  const most = Math.min(MAX_WIDTH / width, MAX_HEIGHT / height);
  const least = Math.min(most, 300 / Math.min(width, height));
  const factor = least * (most / least) ** random();
  const [outWidth, outHeight] = [width, height].map((side) => Math.max(1, Math.floor(side * factor))) as [number, number]; // biome-ignore format: one line
  const columns = Array.from({ length: outWidth }, (_, x) => between(x, width, factor));
  const out = new Uint8ClampedArray(outWidth * outHeight * 3);
  for (let y = 0, to = 0; y < outHeight; y++) {
    const row = between(y, height, factor);
    const [top, bottom] = [row.first * width, row.second * width];
    for (const { first, second, part } of columns) {
      for (let c = 0; c < 3; c++, to++) {
        const above = mixed(data[(top + first) * 3 + c]!, data[(top + second) * 3 + c]!, part);
        const below = mixed(data[(bottom + first) * 3 + c]!, data[(bottom + second) * 3 + c]!, part);
        out[to] = mixed(above, below, row.part);
      }
    }
  }
  return { data: new Uint8Array(out.buffer), width: outWidth, height: outHeight, channels: 3 };
}

/** The two pixels beside the center of an enlarged one, and how far it lies from the first to the second. */
function between(x: number, length: number, factor: number): { first: number; second: number; part: number } {
  const from = Math.max(0, Math.min(length - 1, (x + 0.5) / factor - 0.5));
  const first = Math.floor(from);
  return { first, second: Math.min(length - 1, first + 1), part: from - first };
}

const mixed = (a: number, b: number, part: number): number => a + (b - a) * part;
