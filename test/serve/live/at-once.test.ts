/** R30: requests of all kinds at once are answered as if each were alone. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Clip } from '../../../src/clip.ts';
import { loadClip } from '../../../src/load.ts';
import { embed, form, json, post, type Sent } from '../requests.ts';
import { dataUri, photoFile, type Served, served } from '../server.ts';
import { twoPhotos } from '../two-photos.ts';

const cat = photoFile('cat.png');
const jpeg = photoFile('rocket.jpg');
let clip: Clip;
let index: Awaited<ReturnType<typeof twoPhotos>>;
let server: Served;

beforeAll(async () => {
  clip = await loadClip();
  index = await twoPhotos(clip);
  server = await served(clip, { photos: index.photos });
});
afterAll(async () => {
  await server.close();
  await index.remove();
  clip.dispose();
});

it('R30: 16 requests of all kinds at once have the answers of lone ones; a bad and an aborted one fail alone', async () => {
  const immich = (entries: unknown, more: Record<string, string | Blob>) =>
    post('/predict', form({ entries: JSON.stringify(entries), ...more }));
  const modelName = 'ViT-B-32__openai';
  const classifyJson = (candidate_labels: string[]) =>
    post('/classify', JSON.stringify({ inputs: dataUri(cat), parameters: { candidate_labels } }), json);
  const find = (body: unknown) => post('/search', JSON.stringify(body), json);
  const requests = [
    () => embed({ input: 'a cat' }),
    () => embed({ input: `a photo of ${'a very old '.repeat(20)}cat` }),
    () => embed({ input: ['a cat', 'a cat on a mat'], encoding_format: 'base64' }),
    () => embed({ input: dataUri(jpeg), modality: 'image' }),
    () => embed({ input: [{ text: 'a rocket' }, { image: dataUri(cat) }], embedding_type: 'ubinary' }),
    () => classifyJson(['cat', 'dog']),
    () => classifyJson(['rocket', 'cup of coffee', 'person']),
    () => post('/classify', form({ inputs: new Blob([jpeg]), candidate_labels: 'cat,rocket' })),
    () => post('/classify?candidate_labels=cat,rocket&top_k=1', cat),
    () => immich({ clip: { visual: { modelName } } }, { image: new Blob([cat]) }),
    () => immich({ clip: { textual: { modelName } } }, { text: 'a rocket' }),
    () => find({ text: 'a cat' }),
    () => find({ image: dataUri(jpeg), not: 'a cat' }),
    () => find({ photo: 2, path: 'rocket' }),
    () => embed({ input: ['a text', { image: dataUri(cat.slice(0, 900)) }] }), // bad
    () => embed({ input: Array(50).fill({ image: dataUri(cat) }) }), // to be aborted
  ];
  const ask = async (make: () => Sent, signal?: AbortSignal) => {
    const { path, init } = make();
    const { status, text } = await server.ask(path, { ...init, ...(signal && { signal }) });
    return { status, text };
  };
  const lone = [];
  for (const make of requests.slice(0, -1)) lone.push(await ask(make));
  expect(lone.map(({ status }) => status)).toEqual([...Array(14).fill(200), 400]);
  const stop = new AbortController();
  const answers = requests.map((make, i) => ask(make, i === 15 ? stop.signal : undefined).catch((error) => error.name));
  await sleep(20);
  stop.abort();
  expect(await Promise.all(answers)).toEqual([...lone, 'AbortError']);
  expect(await ask(requests[0]!)).toEqual(lone[0]);
});
