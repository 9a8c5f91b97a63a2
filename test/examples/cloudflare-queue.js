// wrangler bundles it; queue-scenario.js runs it in workerd with queues and buckets by miniflare, as a process of its own.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inside, node, packageVersion, run } from './runtime.js';

const SCENARIO = fileURLToPath(new URL('queue-scenario.js', import.meta.url));

/** In place of `worker.js`: the bucket fails once for one picture, five times for another; `/-/BUCKET/NAME` is a file. */
const FAULTY = `import worker from './worker.js';
const failures = { later: 1, never: 5 };
const faulty = (bucket) => ({
  list: (options) => bucket.list(options),
  async get(key) {
    const [, word] = /\\/(\\w+).png$/.exec(key);
    if (failures[word]-- > 0) throw new Error('the bucket is away');
    return bucket.get(key);
  },
});
async function file(bucket, key, request) {
  if (request.method === 'PUT') return new Response((await bucket.put(key, await request.arrayBuffer())).key);
  if (key === '') return Response.json((await bucket.list()).objects.map((object) => object.key));
  return new Response((await bucket.get(key)).body);
}
export default {
  fetch(request, env) {
    const [, bucket, key] = /^\\/-\\/(\\w+)\\/(.*)$/.exec(new URL(request.url).pathname) ?? [];
    return bucket ? file(env[bucket], key, request) : worker.fetch(request, env);
  },
  queue: (batch, env) => worker.queue(batch, { ...env, PICTURES: faulty(env.PICTURES) }),
};
`;

export default async function cloudflareQueue({ folder, expected }) {
  for (const name of ['hyparquet-writer', 'hyparquet']) {
    const from = fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
    cpSync(from, join(folder, 'node_modules', name), { recursive: true });
  }
  // Smaller pages and parts, so that a few pictures are several of each.
  const source = readFileSync(join(folder, 'worker.js'), 'utf8');
  const small = source.replace('PAGE = 1000;', 'PAGE = 20;').replace('PICTURES_A_PART = 100;', 'PICTURES_A_PART = 10;');
  assert.notEqual(small, source);
  writeFileSync(join(folder, 'worker.js'), small);
  writeFileSync(join(folder, 'faulty.js'), FAULTY);
  const printed = await run(node, [inside('wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out', 'faulty.js'], folder); // biome-ignore format: one line
  const upload = /Total Upload: (.*)/.exec(printed)[1];
  assert.doesNotMatch(readFileSync(join(folder, 'out/faulty.js'), 'utf8'), /startoftext|class TextTransformer/);
  writeFileSync(join(folder, 'expected.json'), JSON.stringify(expected));
  const { checks } = JSON.parse((await run(node, [SCENARIO, folder], folder)).trim().split('\n').at(-1));
  const runtime = `workerd ${packageVersion('workerd')}, wrangler ${packageVersion('wrangler')}`;
  return { checks: checks + 1, runtime, notes: [`upload ${upload}`] };
}
