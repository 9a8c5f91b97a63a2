import { VectorIndex } from 'edgeclip/search';
import { FILES } from './answer.js';

/** The nearest label of three pictures, from an index that was saved and read again. */
export async function found(loadClip, read) {
  const clip = await loadClip();
  const labels = ['dog', 'cat', 'rocket'];
  const index = await VectorIndex.create({ model: clip });
  for (const label of labels) index.add(label, await clip.encodeText(`a photo of a ${label}`));
  const again = await VectorIndex.load(await index.toBytes(), { model: clip });
  const answers = [];
  for (const file of FILES) answers.push((await again.search(await clip.encodeImage(await read(file)), 1))[0].id);
  return answers.join(' ');
}
