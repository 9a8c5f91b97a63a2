// node batch.js FOLDER > photos.jsonl: a line for each photo, with its labels or its error.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadClip } from 'edgeclip';

const [folder = '.'] = process.argv.slice(2);
const labels = (await readFile(new URL('labels.txt', import.meta.url), 'utf8')).split('\n').filter(Boolean);
const files = (await readdir(folder, { recursive: true })).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();

const clip = await loadClip({ threads: 'auto' });
const classifier = await clip.classifier(labels, { templates: 'openai-7' });
let failed = 0;

// Photos are read shortly before they are embedded: memory does not grow with their number.
const photos = files.map((name) => () => readFile(join(folder, name)));
for await (const { index, embedding, error } of clip.encodeImages(photos, { orient: true })) {
  const line = { file: files[index] };
  if (error) {
    failed++;
    Object.assign(line, { error: error.code ?? error.name, message: error.message });
  } else {
    const [best, second] = await classifier.classify(embedding, { topK: 2 });
    Object.assign(line, { label: best.label, score: best.score, second: second.label, embedding: [...embedding] });
  }
  if (!process.stdout.write(`${JSON.stringify(line)}\n`)) await new Promise((drained) => process.stdout.once('drain', drained));
}
clip.dispose();
console.error(`${files.length} photos, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
