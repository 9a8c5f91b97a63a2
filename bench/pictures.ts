/** From a file's bytes: decode, resize, embed; and 12 megapixels to their crop. */
import { readdirSync, readFileSync } from 'node:fs';
import { cropGeometry } from '../src/image/geometry.ts';
import { compiledPictures } from '../src/image/kernels.ts';
import { preprocess } from '../src/image/preprocess.ts';
import { preprocessConfigFromOpenClip } from '../src/image/preprocess-config.ts';
import { Crop, takePixels } from '../src/image/resample.ts';
import { Workspace } from '../src/image/workspace.ts';
import { loadClip } from '../src/load.ts';
import { benchFileThreads } from './file-threads.ts';
import { largePhotoBytes } from './large-photo.js';
import { vitB32 } from './models.ts';
import { randomPicture } from './random.ts';
import { ms, type Report } from './report.ts';
import { inTurns, type Timing } from './timing.ts';

const SIZE = 224;
const GOLDEN = new URL('../test/golden/', import.meta.url);
const JPEG = 'preprocess/inputs/jpeg_q75_500x375.jpg';
/** The other JPEGs: from 301 x 299 to two megapixels, one progressive, one grayscale. */
const FOLDERS = ['photos/', 'preprocess/inputs/'];

const read = (path: string) => new Uint8Array(readFileSync(new URL(path, GOLDEN)));

export async function benchPictures(report: Report): Promise<void> {
  const bytes = read(JPEG);
  const files = FOLDERS.flatMap((folder) => readdirSync(new URL(folder, GOLDEN)).map((name) => folder + name));
  const all = files.filter((path) => path.endsWith('.jpg')).map(read);
  const embedded = await loadClip(undefined, { towers: ['image'] });
  const vit = await loadClip(await vitB32('int8'), { towers: ['image'] });
  const tasks = [
    { name: 'embedded int8, 500 x 375', pictures: 1, run: () => embedded.encodeImage(bytes) },
    { name: 'ViT-B/32 int8, 500 x 375', pictures: 1, run: () => vit.encodeImage(bytes) },
    { name: `embedded int8, ${all.length} JPEGs, each`, pictures: all.length, run: () => embedded.encodeImage(all) },
    ...(await largePhotos()),
    { name: '4000 x 3000 to 224, resize alone', pictures: 1, run: await resize(4000, 3000) },
  ];
  const runs = await inTurns<string>(Object.fromEntries(tasks.map(({ name, run }) => [name, run])), {
    rounds: 7,
    time: 100,
    iterations: 5,
  });
  embedded.dispose();
  vit.dispose();
  report.section('Pictures, one thread, from the bytes of a JPEG', ['', 'median ms', 'best ms', 'least ms', 'a second']); // biome-ignore format: one line
  for (const { name, pictures } of tasks) {
    const { medianMs, bestMs, leastMs } = eachOf(pictures, runs[name]!);
    const values = { medianMs, bestMs, leastMs, perSecond: 1000 / medianMs };
    report.row(name, values, [name, ms(medianMs), ms(bestMs), ms(leastMs), (1000 / medianMs).toFixed(1)]);
  }
  await benchFileThreads(report);
}

/** The same 12 megapixels in every kind of file, to the crop of 224 x 224. */
async function largePhotos() {
  const config = preprocessConfigFromOpenClip(undefined, SIZE);
  const task = async (name: string, file: Parameters<typeof largePhotoBytes>[0], scaled = false) => {
    const bytes = await largePhotoBytes(file);
    const size = `${(bytes.length / 1e6).toFixed(1)} MB`;
    return {
      name: `4000 x 3000 to its crop, ${name}, ${size}`,
      pictures: 1,
      run: () => preprocess(bytes, config, { scaled }),
    };
  };
  return [
    await task('JPEG', 'baseline.jpg'),
    await task('the same, scaled', 'baseline.jpg', true),
    await task('progressive JPEG', 'progressive.jpg'),
    await task('PNG', 'photo.png'),
  ];
}

const eachOf = (n: number, { medianMs, bestMs, leastMs }: Timing) => ({
  medianMs: medianMs / n,
  bestMs: bestMs / n,
  leastMs: leastMs / n,
});

async function resize(width: number, height: number): Promise<() => void> {
  const picture = randomPicture(width, height);
  const geometry = cropGeometry(width, height, SIZE, 'floor');
  const workspace = new Workspace(await compiledPictures());
  return () => {
    workspace.clear();
    takePixels(workspace, new Crop(workspace, { ...picture, planar: false }, geometry), picture);
  };
}
