// Ranks a few labels for the photos in this folder:  node examples/classify.mjs
import { readFile } from 'node:fs/promises';
import { loadClip } from 'edgeclip';

const clip = await loadClip();
const classifier = await clip.classifier(['cat', 'dog', 'horse', 'cup of coffee', 'rocket', 'person']);
for (const name of ['cat.png', 'coffee.png', 'rocket.jpg', 'photographer.png']) {
  const [best] = await classifier.classify(await readFile(new URL(name, import.meta.url)), { topK: 1 });
  console.log(`${name}: ${best.label} (${(best.score * 100).toFixed(1)} %)`);
}
clip.dispose();
