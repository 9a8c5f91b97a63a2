/** From a file's bytes: decode, resize, embed; and the resize of a large photo by itself. */
import { readFileSync } from 'node:fs';
import { compiledKernels } from '../src/engine/compiled.ts';
import { instantiateKernels } from '../src/engine/kernels.ts';
import { MemoryPlan } from '../src/engine/memory.ts';
import { cropGeometry } from '../src/image/geometry.ts';
import { cropBytes, resampleCrop } from '../src/image/resample.ts';
import { loadClip } from '../src/load.ts';
import { vitB32 } from './models.ts';
import { randomPicture } from './random.ts';
import { ms, type Report } from './report.ts';
import { inTurns } from './timing.ts';

const SIZE = 224;
const JPEG = 'jpeg_q75_500x375.jpg';

export async function benchPictures(report: Report): Promise<void> {
  const bytes = new Uint8Array(readFileSync(new URL(`../test/golden/preprocess/inputs/${JPEG}`, import.meta.url)));
  const embedded = await loadClip(undefined, { towers: ['image'] });
  const vit = await loadClip(await vitB32('int8'), { towers: ['image'] });
  const runs = await inTurns(
    {
      embedded: () => embedded.encodeImage(bytes),
      'ViT-B/32 int8': () => vit.encodeImage(bytes),
      '4000 x 3000 to 224, resize alone': await resize(4000, 3000),
    },
    { rounds: 7, time: 100, iterations: 5 },
  );
  embedded.dispose();
  vit.dispose();
  report.section(`Pictures, one thread; JPEG of 500 x 375, ${bytes.length} bytes`, ['', 'median ms', 'best ms', 'least ms', 'a second']); // biome-ignore format: one line
  for (const [name, { medianMs, bestMs, leastMs }] of Object.entries(runs)) {
    const values = { medianMs, bestMs, leastMs, perSecond: 1000 / medianMs };
    report.row(name, values, [name, ms(medianMs), ms(bestMs), ms(leastMs), (1000 / medianMs).toFixed(1)]);
  }
}

async function resize(width: number, height: number): Promise<() => void> {
  const picture = randomPicture(width, height);
  const geometry = cropGeometry(width, height, SIZE, 'floor');
  const plan = new MemoryPlan();
  const scratch = plan.reserve('resize', cropBytes(picture, geometry));
  const out = plan.reserve('crop', SIZE * SIZE * 3);
  const memory = plan.allocate();
  const kernels = instantiateKernels(await compiledKernels('simd'), memory);
  return () => resampleCrop(kernels, memory, scratch, picture, geometry, out);
}
