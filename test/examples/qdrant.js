// With Qdrant's own client, against a server that answers as Qdrant's documentation says: Qdrant itself was not available.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { makePhotoFolder } from './photo-folder.js';
import { node, run, versionOf } from './runtime.js';
import { Collection, checkTypes, provide } from './vector-database.js';

export default async function qdrant({ folder, expected }) {
  provide(folder, ['@qdrant', 'undici']);
  const types = fileURLToPath(new URL('../../node_modules/@types', import.meta.url));
  await checkTypes(folder, 'search.js', { lib: ['es2022', 'dom'], types: ['node'], typeRoots: [types] });
  const wordless = await run(node, ['search.js', 'my photos'], folder).catch((error) => error);
  assert.deepEqual([wordless.code, wordless.stderr], [2, 'usage: node search.js FOLDER WORDS...\n']);
  makePhotoFolder(join(folder, 'my photos'));
  const collections = new Map();
  const keys = new Set();
  const answers = {
    'GET /collections/photos/exists': () => ({ exists: collections.has('photos') }),
    'PUT /collections/photos': ({ vectors }) => {
      assert.deepEqual(vectors, { size: expected.cat.length, distance: 'Cosine' });
      collections.set('photos', new Collection());
      return true;
    },
    'PUT /collections/photos/points?wait=true': ({ points }) => {
      const all = points.map(({ id, vector, payload }) => ({ id, values: vector, payload }));
      assert.ok(all.every(({ id, values }) => /^[0-9a-f]{32}$/.test(id) && values.length === expected.cat.length));
      collections.get('photos').upsert(all);
      return { operation_id: 0, status: 'completed' };
    },
    'POST /collections/photos/points/query': ({ query, limit, with_payload }) => {
      assert.equal(with_payload, true);
      return {
        points: collections
          .get('photos')
          .query(query, limit)
          .map((point) => ({ ...point, version: 0 })),
      };
    },
  };
  const server = createServer(async (request, response) => {
    const body = request.method === 'GET' ? undefined : await json(request);
    keys.add(request.headers['api-key']);
    const answer = answers[`${request.method} ${request.url}`];
    if (!answer && request.url !== '/') response.statusCode = 404;
    response.setHeader('content-type', 'application/json');
    const result = request.url === '/' ? { title: 'qdrant', version: '1.19.0' } : { result: answer?.(body), status: 'ok', time: 0 }; // biome-ignore format: one line
    response.end(JSON.stringify(result));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const env = { QDRANT_URL: `http://127.0.0.1:${server.address().port}`, QDRANT_API_KEY: 'a key' };
    const search = async (...words) =>
      (await run(node, ['search.js', 'my photos', ...words], folder, env)).trim().split('\n').map((line) => line.split(/ (.*)/s)); // biome-ignore format: one line
    const [rocket, cat] = [await search('a', 'rocket'), await search('a photo of a cat')];
    assert.deepEqual(rocket.map(([, name]) => name), [join('more', 'rocket.JPG'), 'cat.png']); // biome-ignore format: one line
    assert.deepEqual(cat.map(([, name]) => name), ['cat.png', join('more', 'rocket.JPG')]); // biome-ignore format: one line
    assert.ok(Number(cat[0][0]) > 0.25 && Number(cat[1][0]) < 0.2, `cosines ${cat}`);
    assert.equal(collections.get('photos').vectors.size, 2); // although it ran twice
    assert.deepEqual([...keys], ['a key']);
  } finally {
    server.close();
  }
  return { checks: 7, runtime: `Node ${versionOf(node)}`, notes: ['untested against a live Qdrant'] };
}
