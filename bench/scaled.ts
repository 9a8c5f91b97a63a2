/**
 * What `scaled` changes: the ten photos in 30 seeded variants each (a part of the photo, JPEG quality, sampling, size up to 4000 x
 * 3000), each file with `scaled` against the same file without. The table of docs/numerics.md. No times.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { seeded } from '../src/eval/seeded.ts';
import { decodeImage } from '../src/image/decode.ts';
import type { RawImage } from '../src/image/raw-image.ts';
import { loadClip } from '../src/load.ts';
import { similarity } from '../src/similarity.ts';
import { encodeJpeg } from './large-photo.js';
import { variant } from './quantization.ts';
import type { Report } from './report.ts';

const VARIANTS = 30;
const SEED = 18;
const SIZE = 224;
const [MAX_WIDTH, MAX_HEIGHT] = [4000, 3000];
const PHOTOS = new URL('../test/golden/photos/', import.meta.url);
const LABELS = readFileSync(new URL('../test/golden/imagenet.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

interface Found {
  readonly cosine: number;
  readonly same: boolean;
}

export async function benchScaled(report: Report): Promise<void> {
  using clip = await loadClip();
  const classifier = await clip.classifier(LABELS);
  const random = seeded(SEED);
  const found = new Map<number, Found[]>([2, 4, 8, 1].map((scale) => [scale, []]));
  for (const name of readdirSync(PHOTOS).filter((file) => /\.(png|jpg)$/.test(file))) {
    const photo = await decodeImage(readFileSync(new URL(name, PHOTOS)));
    for (let i = 0; i < VARIANTS; i++) {
      const picture = resized(variant(photo, random), random);
      const quality = Math.floor(50 + 46 * random());
      const bytes = await encodeJpeg(picture, { quality, halved: random() < 0.7 });
      const [whole, scaled] = [await clip.encodeImage(bytes), await clip.encodeImage(bytes, { scaled: true })];
      const [first] = await classifier.classify(whole, { topK: 1 });
      const [second] = await classifier.classify(scaled, { topK: 1 });
      const same = first!.index === second!.index;
      found.get(scaleOf(picture))!.push({ cosine: similarity(whole, scaled), same });
    }
  }
  report.section('JPEGs with `scaled` against the same without', ['decoded at', 'files', 'cosine, median', '5 % below', 'least', 'same top-1']); // biome-ignore format: heads
  for (const [scale, files] of found) {
    const cosines = files.map(({ cosine }) => cosine).sort((a, b) => a - b);
    const agree = files.filter(({ same }) => same).length;
    const name = scale === 1 ? 'whole (short edge below 448)' : `1/${scale}`;
    const [middle, low, least] = [0.5, 0.05, 0].map(
      (share) => cosines[Math.floor(share * cosines.length)] ?? Number.NaN,
    );
    const values = { files: files.length, median: middle!, low: low!, least: least!, agree };
    report.row(name, values, [name, `${files.length}`, middle!.toFixed(4), low!.toFixed(4), least!.toFixed(4), `${agree} of ${files.length}`]); // biome-ignore format: cells
  }
}

/** What Pillow's draft picks for the crop. */
const scaleOf = ({ width, height }: { width: number; height: number }): number =>
  [8, 4, 2].find((scale) => Math.min(width, height) >= scale * SIZE) ?? 1;

/** Enlarged or not, with straight lines between pixels: from 300 pixels to as many as fit into 4000 x 3000, all powers alike. */
function resized({ data, width, height }: Omit<RawImage, 'channels'>, random: () => number): RawImage {
  const most = Math.min(MAX_WIDTH / width, MAX_HEIGHT / height);
  const least = Math.min(most, 300 / Math.min(width, height));
  const factor = least * (most / least) ** random();
  const [outWidth, outHeight] = [Math.max(1, Math.floor(width * factor)), Math.max(1, Math.floor(height * factor))];
  const out = new Uint8ClampedArray(outWidth * outHeight * 3);
  for (let y = 0, to = 0; y < outHeight; y++) {
    const fromY = Math.max(0, Math.min(height - 1, (y + 0.5) / factor - 0.5));
    const y0 = Math.floor(fromY);
    const y1 = Math.min(height - 1, y0 + 1);
    for (let x = 0; x < outWidth; x++) {
      const fromX = Math.max(0, Math.min(width - 1, (x + 0.5) / factor - 0.5));
      const x0 = Math.floor(fromX);
      const x1 = Math.min(width - 1, x0 + 1);
      for (let c = 0; c < 3; c++, to++) {
        const at = (row: number, column: number) => data[(row * width + column) * 3 + c]!;
        const above = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * (fromX - x0);
        const below = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * (fromX - x0);
        out[to] = above + (below - above) * (fromY - y0);
      }
    }
  }
  return { data: new Uint8Array(out.buffer), width: outWidth, height: outHeight, channels: 3 };
}
