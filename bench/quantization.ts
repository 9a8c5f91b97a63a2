/**
 * What int8 costs the embedded model: the ten photos in 30 seeded variants each, int8 against f32. Cosines of the embeddings, how
 * often both give the same first label, and by how much each stage's activations differ: where a layer hurts, it shows there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { seeded } from '../src/eval/seeded.ts';
import { decodeImage } from '../src/image/decode.ts';
import type { RawImage } from '../src/image/raw-image.ts';
import { loadClip } from '../src/load.ts';
import { similarity } from '../src/similarity.ts';
import type { Report } from './report.ts';

const VARIANTS = 30;
const SEED = 17;
const PHOTOS = new URL('../test/golden/photos/', import.meta.url);

/** Lists of labels of very different difficulty. */
const LABELS = {
  '6 labels of the README': 'cat, dog, horse, cup of coffee, rocket, person'.split(', '),
  "ImageNet's 1000 names": lines('../test/golden/imagenet.txt'),
};

function lines(path: string): string[] {
  return readFileSync(new URL(path, import.meta.url), 'utf8')
    .trim()
    .split('\n');
}

/** A part of the picture, mirrored or not, in other light: half to all of each side, brightness and contrast by up to a third. */
export function variant({ data, width, height, channels }: RawImage, random: () => number) {
  const share = 0.5 + 0.5 * random();
  const [w, h] = [Math.floor(width * share), Math.floor(height * share)];
  const [left, top] = [Math.floor((width - w) * random()), Math.floor((height - h) * random())];
  const mirrored = random() < 0.5;
  const contrast = 0.7 + 0.6 * random();
  const brightness = 60 * (random() - 0.5);
  const out = new Uint8ClampedArray(w * h * 3);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const from = ((top + y) * width + left + (mirrored ? w - 1 - x : x)) * channels;
      for (let c = 0; c < 3; c++) out[(y * w + x) * 3 + c] = (data[from + c]! - 128) * contrast + 128 + brightness;
    }
  }
  return { data: new Uint8Array(out.buffer), width: w, height: h };
}

export async function benchQuantization(report: Report): Promise<void> {
  using int8 = await loadClip();
  using f32 = await loadClip(undefined, { precision: 'f32' });
  const classifiers = await Promise.all(
    Object.entries(LABELS).map(async ([name, labels]) => ({
      name,
      pair: [await int8.classifier(labels), await f32.classifier(labels)] as const,
      agree: 0,
      apart: [] as { file: string; margin: number }[],
    })),
  );
  const cosines: number[] = [];
  const names = readdirSync(PHOTOS).filter((name) => /\.(png|jpg)$/.test(name));
  const random = seeded(SEED);
  for (const name of names) {
    const photo = await decodeImage(readFileSync(new URL(name, PHOTOS)));
    for (let i = 0; i < VARIANTS; i++) {
      const picture = variant(photo, random);
      const [one, other] = [await int8.encodeImage(picture), await f32.encodeImage(picture)];
      cosines.push(similarity(one, other));
      for (const classifier of classifiers) {
        const [first] = await classifier.pair[0].classify(one, { topK: 1 });
        const [second, third] = await classifier.pair[1].classify(other, { topK: 2 });
        if (first!.index === second!.index) classifier.agree++;
        else classifier.apart.push({ file: `${name}, variant ${i}`, margin: second!.score - third!.score });
      }
    }
  }
  const pictures = cosines.length;
  const sorted = [...cosines].sort((a, b) => a - b);
  const mean = cosines.reduce((a, b) => a + b, 0) / pictures;
  report.section(`int8 against f32: ${names.length} photos, ${VARIANTS} variants each`, [
    '',
    'mean',
    'median',
    'worst',
  ]);
  const cells = [mean, sorted[pictures >> 1]!, sorted[0]!];
  report.row('cosine of embeddings', { mean, median: cells[1]!, worst: cells[2]! }, [
    'cosine of embeddings',
    ...cells.map((x) => x.toFixed(7)),
  ]);
  report.section('the same first label in int8 and f32', ['labels', 'agree', 'of', 'share']);
  for (const { name, agree, apart } of classifiers) {
    const share = `${((100 * agree) / pictures).toFixed(2)} %`;
    report.row(name, { agree, pictures }, [name, String(agree), String(pictures), share]);
    for (const { file, margin } of apart) {
      const lead = `f32 leads by ${(100 * margin).toFixed(2)} %`;
      report.row(`${name}: ${file}`, { margin }, [`  ${file}`, lead, '', '']);
    }
  }
  await benchStages(report, names);
}

/** The sine of the angle between each stage's activations of all photos: their relative error, whatever unit a stage counts in. */
async function benchStages(report: Report, names: readonly string[]): Promise<void> {
  const sums = new Map<string, { dot: number; int8: number; f32: number }>();
  const seen: Map<string, Float32Array>[] = [];
  for (const precision of ['f32', 'int8'] as const) {
    let place = 0;
    using clip = await loadClip(undefined, {
      precision,
      towers: ['image'],
      probe: (name, _, values) => {
        if (name === 'image.stem') return; // integers in int8; its error is in stage 0
        seen[place] ??= new Map();
        const before = seen[place]!.get(name);
        if (!before) seen[place]!.set(name, values.slice());
        else {
          const sum = sums.get(name) ?? { dot: 0, int8: 0, f32: 0 };
          for (const [i, value] of values.entries()) {
            sum.dot += value * before[i]!;
            sum.int8 += value ** 2;
            sum.f32 += before[i]! ** 2;
          }
          sums.set(name, sum);
        }
      },
    });
    for (const name of names) {
      await clip.encodeImage(readFileSync(new URL(name, PHOTOS)));
      place++;
    }
  }
  report.section('activations of the image tower, int8 against f32', ['stage', 'error']);
  for (const [name, { dot, int8, f32 }] of sums) {
    const relative = Math.sqrt(Math.max(0, 1 - dot ** 2 / (int8 * f32)));
    report.row(name, { relative }, [name, relative.toExponential(2)]);
  }
}
