// node queue-scenario.js FOLDER: runs examples/cloudflare-queue, bundled in FOLDER/out, as its wrangler.toml says, with a bucket of
// pictures that fails now and then. Prints { checks }.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { inside } from './runtime.js';
import { PHOTOS } from './service.js';

const [folder] = process.argv.slice(2);
const { Miniflare } = createRequire(inside('miniflare/'))('miniflare');
const { unstable_getMiniflareWorkerOptions } = createRequire(inside('wrangler/'))('wrangler');
const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));

const out = join(folder, 'out');
const types = { '.wasm': 'CompiledWasm', '.bin': 'Data' };
const modules = readdirSync(out).flatMap((name) => {
  const type = name === 'faulty.js' ? 'ESModule' : types[/\.\w+$/.exec(name)?.[0]];
  return type ? [{ type, path: resolve(out, name), contents: readFileSync(join(out, name)) }] : [];
});
modules.sort((a, b) => (a.type === 'ESModule' ? -1 : b.type === 'ESModule' ? 1 : 0));
const { workerOptions } = unstable_getMiniflareWorkerOptions(join(folder, 'wrangler.toml'));
const { r2Buckets, queueProducers, queueConsumers, bindings, compatibilityDate } = workerOptions;
assert.equal(queueConsumers['embed-bucket'].deadLetterQueue, 'embed-bucket-dead');
const miniflare = new Miniflare({
  modulesRoot: resolve(out),
  modules,
  r2Buckets,
  queueProducers,
  queueConsumers,
  compatibilityDate,
  bindings: { ...bindings, RETRY_SECONDS: 0, TOKEN: 'secret' },
});

let checks = 0;
const check = (assertion) => {
  assertion();
  checks++;
};
try {
  const base = await miniflare.ready;
  /** A connection for each request: workerd may end one that is idle. */
  const ask = async (method, path, body, headers = {}) => {
    const asked = request(new URL(path, base), { method, headers, agent: false });
    asked.end(body);
    const [answer] = await once(asked, 'response');
    return { status: answer.statusCode, bytes: await buffer(answer) };
  };
  const json = async (path) => JSON.parse((await ask('GET', path)).bytes);
  const put = async (key, body) => assert.equal((await ask('PUT', `/-/PICTURES/${key}`, body)).status, 200);
  const post = async (path, headers) => (await ask('POST', path, '', headers)).status;

  // Five parts of ten in three pages; the fourth part has a picture that the bucket does not give five times.
  const photos = Object.keys(PHOTOS);
  const keys = new Map();
  const name = (i) => `photos/${String(i).padStart(3, '0')}${{ 5: '/later', 35: '/never' }[i] ?? ''}.png`;
  for (let i = 0; i < 45; i++) keys.set(name(i), photos[i % photos.length]);
  await Promise.all([...keys].map(([key, photo]) => put(key, PHOTOS[photo])));
  await put('photos/012.png', 'no picture');
  await put('photos/013.png', Buffer.concat([PHOTOS.rocket, Buffer.alloc(10_000_000)]));
  await put('else/where.png', PHOTOS.cat);

  const token = { authorization: 'Bearer secret' };
  assert.equal(await post('/run-1?prefix=photos/'), 401);
  assert.equal(await post('/', token), 404);
  assert.equal(await post('/run-1?prefix=photos/', token), 202);
  checks += 3;

  const pages = [0, 1, 2].map((page) => `run-1/plan/0000${page}.json`);
  const parts = (...numbers) => numbers.map((part) => `run-1/part-0000${part}.parquet`);
  /** The bucket of vectors has these files, and nothing else. */
  const settled = async (...wanted) => {
    const end = Date.now() + 300_000;
    for (;;) {
      const found = await json('/-/VECTORS/');
      if (Date.now() > end || isDeepStrictEqual(found, wanted.sort())) {
        check(() => assert.deepEqual(found, wanted.sort()));
        return;
      }
      await wait(200);
    }
  };
  await settled(...pages, ...parts(0, 1, 2, 4), 'run-1/dead/part-00003.json');
  const dead = await json('/-/VECTORS/run-1/dead/part-00003.json');
  check(() => assert.deepEqual([dead.attempts, dead.error], [5, 'the bucket is away']));

  // Each key once, with the bits of Node or with its reason.
  const rows = new Map();
  const files = new Map();
  for (const name of parts(0, 1, 2, 4)) {
    const { bytes } = await ask('GET', `/-/VECTORS/${name}`);
    files.set(name, bytes);
    const file = new Uint8Array(bytes).buffer;
    const { schema, key_value_metadata } = await parquetMetadataAsync(file);
    assert.equal(schema.find((column) => column.name === 'element').type, 'FLOAT');
    assert.equal(JSON.parse(key_value_metadata[0].value).pictures, name.includes('00004') ? 5 : 10);
    for (const row of await parquetReadObjects({ file })) {
      assert.ok(!rows.has(row.key), `${row.key} is there twice`);
      rows.set(row.key, row);
    }
  }
  const here = [...keys.keys()].filter((key) => !/photos\/03\d/.test(key)).sort();
  check(() => assert.deepEqual([...rows.keys()].sort(), here));
  for (const [key, { embedding, error }] of rows) {
    if (key === 'photos/012.png') assert.match(error, /^this is not a JPEG, PNG or WebP image/);
    else if (key === 'photos/013.png') assert.match(error, /10\d+ bytes, more than 10000000/);
    else assert.deepEqual([embedding, error ?? undefined], [expected[keys.get(key)], undefined], key);
    checks++;
  }

  // The same run again makes what was set aside; what is done stays, though a picture has changed.
  await put(name(0), PHOTOS.rocket);
  assert.equal(await post('/run-1?prefix=photos/', token), 202);
  await settled(...pages, ...parts(0, 1, 2, 3, 4));
  for (const [part, bytes] of files) {
    const again = await ask('GET', `/-/VECTORS/${part}`);
    check(() => assert.ok(bytes.equals(again.bytes), `${part} has changed`));
  }
} finally {
  await miniflare.dispose();
}
console.log(JSON.stringify({ checks }));
