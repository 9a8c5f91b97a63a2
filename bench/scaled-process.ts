/** A process of the suite `scaled`: a file comes, what `scaled` changes in it goes, until the parent disconnects. */
import { readFileSync } from 'node:fs';
import { loadClip } from '../src/load.ts';
import { similarity } from '../src/similarity.ts';
import { type Difference, type ScaledFile, scaledFile } from './scaled-files.ts';

const LABELS = readFileSync(new URL('../test/golden/imagenet.txt', import.meta.url), 'utf8').trim().split('\n'); // biome-ignore format: one line

const clip = await loadClip();
const classifier = await clip.classifier(LABELS);

async function difference(file: ScaledFile): Promise<Difference> {
  const { bytes, scale } = await scaledFile(file);
  const [whole, scaled] = [await clip.encodeImage(bytes), await clip.encodeImage(bytes, { scaled: true })];
  const [first] = await classifier.classify(whole, { topK: 1 });
  const [second] = await classifier.classify(scaled, { topK: 1 });
  return { scale, cosine: similarity(whole, scaled), same: first!.index === second!.index };
}

process.on('message', async (file: ScaledFile) => process.send!(await difference(file)));
