// node search.js FOLDER WORDS...: the five photos of a folder that fit the words best.
import { readdir, readFile } from 'node:fs/promises';
import { loadClip } from 'edgeclip';
import { VectorIndex } from 'edgeclip/search';

const [folder, ...words] = process.argv.slice(2);
const clip = await loadClip({ threads: 'auto' });
const index = await VectorIndex.create({ model: clip });
const names = (await readdir(folder, { recursive: true })).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
for await (const { index: i, embedding, error } of clip.encodeImages(names.map((name) => () => readFile(`${folder}/${name}`))))
  embedding ? index.add(names[i], embedding) : console.error(`${names[i]}: ${error.message}`);
for (const { id, similarity } of await index.search(await clip.encodeText(words.join(' ')), 5)) console.log(similarity.toFixed(4), id);
