// With Cloudflare's declarations, and an index of the same calls: Vectorize has no local form.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PHOTOS } from './service.js';
import { Collection, checkTypes, provide } from './vector-database.js';

export default async function cloudflareVectorize({ folder, expected }) {
  provide(folder, ['@cloudflare/workers-types']);
  await checkTypes(folder, 'worker.js', { lib: ['es2022'], types: ['@cloudflare/workers-types'] });
  const { default: worker } = await import(pathToFileURL(join(folder, 'worker.js')).href);
  const index = new Collection();
  const calls = {
    upsert: async (vectors) => index.upsert(vectors),
    query: async (vector, { topK }) => ({ matches: index.query(vector, topK) }),
  };
  const ask = async (path, init) => {
    const answer = await worker.fetch(new Request(`https://photos.example${path}`, init), { PHOTOS: calls });
    return [answer.status, await answer.json()];
  };
  const put = (name, body) => ask(`/photos/${encodeURIComponent(name)}`, { method: 'PUT', body });
  for (const [name, photo] of Object.entries(PHOTOS)) {
    assert.deepEqual(await put(`my ${name}`, photo), [200, { id: `my ${name}` }]);
    assert.deepEqual([...index.vectors.get(`my ${name}`).values], expected[name]);
  }
  const [status, found] = await ask('/search?words=a+photo+of+a+cat');
  assert.deepEqual([status, found[0].id, Object.keys(found[0])], [200, 'my cat', ['id', 'score']]);
  assert.equal((await put('bad', 'no picture'))[0], 400);
  assert.equal((await put('x'.repeat(65), PHOTOS.cat))[0], 400);
  assert.equal((await ask('/photos/%E0', { method: 'PUT', body: PHOTOS.cat }))[0], 400);
  assert.equal((await ask('/search'))[0], 404);
  return { checks: 6, runtime: 'Node, types of Workers', notes: ['untested against a live Vectorize'] };
}
