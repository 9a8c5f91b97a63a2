// node search.js FOLDER WORDS...: puts the photos of a folder into a collection of Qdrant, and prints the five that fit the words best.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { QdrantClient } from '@qdrant/js-client-rest';
import { loadClip } from 'edgeclip';

const COLLECTION = 'photos';
const TOGETHER = 100; // points of one request

/** A UUID, so that a photo keeps its point when the program runs again. */
const idOf = (name) => createHash('md5').update(name).digest('hex');

const [folder, ...words] = process.argv.slice(2);
if (words.length === 0) {
  console.error('usage: node search.js FOLDER WORDS...');
  process.exit(2);
}
const { QDRANT_URL: url = 'http://127.0.0.1:6333', QDRANT_API_KEY: apiKey } = process.env;
const qdrant = new QdrantClient({ url, apiKey });
const clip = await loadClip({ threads: 'auto' });
if (!(await qdrant.collectionExists(COLLECTION)).exists) {
  await qdrant.createCollection(COLLECTION, { vectors: { size: clip.config.embedDim, distance: 'Cosine' } });
}

const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
let points = [];
const send = async () => {
  if (points.length > 0) await qdrant.upsert(COLLECTION, { wait: true, points });
  points = [];
};
for await (const { index, embedding, error } of clip.encodeImages(names.map((name) => () => readFile(`${folder}/${name}`)))) {
  const name = names[index];
  if (embedding) points.push({ id: idOf(name), vector: Array.from(embedding), payload: { name } });
  else console.error(`${name}: ${error}`);
  if (points.length === TOGETHER) await send();
}
await send();

const query = Array.from(await clip.encodeText(words.join(' ')));
const { points: found } = await qdrant.query(COLLECTION, { query, limit: 5, with_payload: true });
for (const { score, payload } of found) console.log(score.toFixed(4), payload?.name);
clip.dispose();
