// The edge's limits: a worker has 128 MB, which workerd does not enforce here, so they are added up: the most of WebAssembly memories
// (counted inside, also those of decoders at work), heap and buffers in use (by the inspector, after a collection), and the peak of the
// whole process above an idle worker's. Prints start-up and CPU time of a picture, and sizes of workers.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inside, node, packageVersion, run } from './runtime.js';
import { serve } from './server.js';
import { ask, PHOTOS } from './service.js';
import { during, embedSlowly, get, inspect, workerd } from './workerd-memory.js';

const MB = 1e6;
/** developers.cloudflare.com/workers/platform/limits: memory of an isolate. */
const LIMIT = 128 * MB;
/** What must be left of it, for the program's own use. Sums differ by 0.1 MB from run to run, and these bounds are 2 or 3 MB from them. */
const HEADROOM = { embedded: 93 * MB, large: 114 * MB, vit: 30 * MB, vitJpeg: 29 * MB, vitAll: 12 * MB };
/** Of a worker's size and memory, as the platforms' pages gave them in November 2026. */
const PLATFORMS = [
  ['Cloudflare Workers', '64 MiB uncompressed since 2026-09-04 (3 or 10 MB gzip before); 128 MB of memory', 'developers.cloudflare.com/workers/platform/limits'],
  ['Vercel Edge Functions', '1, 2 or 4 MB gzip by plan; 128 MB', 'vercel.com/docs/functions/limitations'],
  ['Supabase Edge Functions', '20 MB bundled; 256 MB, 2 s of CPU time a request', 'supabase.com/docs/guides/functions/limits'],
  ['Netlify Edge Functions', '20 MB compressed; 512 MB, 50 ms of CPU time a request', 'docs.netlify.com/build/edge-functions/limits'],
  ['Deno Deploy', '1 GB; 512 MB', 'docs.deno.com/deploy/pricing_and_limits'],
]; // biome-ignore format: one line each

const SERVER = fileURLToPath(new URL('../runtimes/workerd-server.js', import.meta.url));
const LARGE_JPEG = fileURLToPath(new URL('../runtimes/large-jpeg.js', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const EXAMPLE = fileURLToPath(new URL('../../examples/cloudflare-worker/', import.meta.url));
const LABELS = readFileSync(join(EXAMPLE, 'labels.txt'), 'utf8').trim().split('\n');
const BUCKET = Symbol('bucket');
const PROGRAMS = fileURLToPath(new URL('edge-limits/', import.meta.url));
const inMB = (bytes) => (bytes / MB).toFixed(1);

/** Puts a model in the worker's bucket. What a load meets before the last shard is there is told, and the next request tries again. */
async function fillBucket({ base, printed }, model) {
  const put = async (name) => {
    const response = await ask(new URL(`/model/${name}`, base), { method: 'PUT', body: readFileSync(join(model, name)) });
    assert.equal(response.status, 201);
  }; // biome-ignore format: one line
  const load = async () => {
    const response = await ask(new URL('/load', base));
    return `${response.status} ${response.ok || (await response.json()).error}`;
  };
  const names = readdirSync(model).filter((name) => /^image|^open_clip/.test(name));
  const last = names.findLast((name) => /-of-/.test(name));
  for (const name of names) if (name !== last) await put(name);
  const together = () => Promise.all(Array.from({ length: 8 }, load));
  assert.deepEqual(new Set(await together()), new Set(['503 WEIGHTS_MISSING']));
  // A request that comes after the load has failed begins another one.
  const loads = () => printed().match(/load \d/g).length;
  const failed = loads();
  assert.ok(failed < 8, `8 first requests shared ${failed} loads`);
  await put(last);
  assert.deepEqual(new Set(await together()), new Set(['200 true']));
  assert.equal(loads(), failed + 1);
}

export default async function edgeLimits({ folder, expected }) {
  cpSync(PROGRAMS, folder, { recursive: true });
  const wrangler = join(inside('wrangler'), 'bin/wrangler.js');
  /** Bundles a program to `NAME-out`; returns what is uploaded. */
  const bundle = async (name) => {
    writeFileSync(
      join(folder, `${name}.toml`),
      `name = "worker"\nmain = "${name}.js"\ncompatibility_date = "2026-01-01"\n`,
    );
    const args = [wrangler, 'deploy', '--dry-run', '--config', `${name}.toml`, '--outdir', `${name}-out`];
    const printed = await run(node, args, folder);
    cpSync(join(folder, `${name}-out/${name}.js`), join(folder, `${name}-out/worker.js`));
    return /Total Upload: (.*)/.exec(printed)[1];
  };
  const notes = [];
  writeFileSync(join(folder, 'labels.txt'), LABELS.join('\n'));
  await run(node, ['node_modules/edgeclip/dist/cli/main.js', 'classify', '--labels-file', 'labels.txt', '--save-classifier', 'classifier.bin'], folder); // biome-ignore format: one line
  cpSync(join(EXAMPLE, 'bucket.js'), join(folder, 'bucket-files.js'));
  for (const [name, what] of [
    ['both', 'both towers'],
    ['labels', `image tower and a classifier file of ${LABELS.length} labels`],
    ['bundled', 'image tower'],
    ['assets', 'image tower, weights in static assets'],
    ['bucket', 'image tower, weights in a bucket'],
  ]) {
    notes.push(`size of a worker, ${what}: ${await bundle(name)}`);
  }
  for (const [platform, limits, page] of PLATFORMS) notes.push(`limits of ${platform}: ${limits} (${page})`);

  // Models as static assets.
  const tsx = (script, ...args) =>
    run(join(ROOT, 'node_modules/.bin/tsx'), ['--conditions=edgeclip-source', join(PROGRAMS, script), ...args], ROOT);
  const large = join(folder, 'large.jpg');
  await run(node, [LARGE_JPEG, '4000', '3000', large], folder);
  const vit = join(folder, 'vit/model');
  mkdirSync(join(folder, 'vit'));
  await tsx('pack-vit.ts', vit);
  assert.ok(readdirSync(vit).filter((name) => /^image-\d/.test(name)).length > 1);
  const embedded = join(folder, 'embedded/model');
  mkdirSync(embedded, { recursive: true });
  for (const name of ['open_clip_config.json', 'image.bin']) cpSync(join(folder, 'node_modules/edgeclip/weights/default', name), join(embedded, name)); // biome-ignore format: one line

  /** With a folder of static assets, or with `BUCKET`. */
  const start = (program, model, env) =>
    serve(node, [SERVER, `${program}-out`, ...(model ? [model === BUCKET ? '--bucket' : `--assets=${model}`] : [])], folder, env); // biome-ignore format: one line
  /** The peak of a worker that does nothing, with the same assets: what workerd itself takes. */
  const idlePeak = async (program, model) => {
    const server = await start(program, model);
    await get(server.base, '/idle');
    const peak = workerd(server).peak();
    await server.stop();
    return peak;
  };
  /**
   * Loads, embeds pictures one after the other, and adds up what is in use at the most. A runtime collects what is not before it ends a
   * worker for its memory, and when it does so by itself depends on the machine: so it is made to, before each look.
   */
  const measure = async (program, model, photos, prepare) => {
    const idle = await idlePeak(program, model);
    const server = await start(program, model, { MINIFLARE_WORKERD_V8_FLAGS: '--expose-gc' });
    const inspector = await inspect(server);
    let heap = 0;
    // What is in use is there each time; what a worker at work has dropped since the collection is not.
    const look = async () => {
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 3; i++) {
        await get(server.base, '/collect');
        least = Math.min(least, await inspector.usage());
      }
      heap = Math.max(heap, least);
    };
    try {
      await prepare?.(server);
      const planned = JSON.parse(await during(get(server.base, '/load'), look));
      const { default: chunks } = JSON.parse(await get(server.base, '/readers'));
      assert.equal(chunks, 0, 'weights are read by readers that fill a buffer of ours');
      let last;
      for (const photo of photos) {
        last = JSON.parse(await embedSlowly(server.base, photo, look));
        await look();
      }
      await look();
      const memories = JSON.parse(await get(server.base, '/memory'));
      // Here the bucket is in the same process.
      const peak = model === BUCKET ? undefined : workerd(server).peak() - idle;
      return { planned, memories, heap, total: memories + heap, peak, last };
    } catch (error) {
      throw new Error(`${error.message}\n${server.printed()}`, { cause: error });
    } finally {
      inspector.stop();
      await server.stop();
    }
  };
  let checks = 0;
  const check = (what, { planned, memories, heap, total, peak }, headroom) => {
    const parts = `WebAssembly memories ${inMB(memories)} + heap and buffers ${inMB(heap)} = ${inMB(total)} MB`;
    const process = peak === undefined ? '' : `; process above an idle worker ${inMB(peak)} MB`;
    notes.push(`${what}: model ${inMB(planned)} MB; ${parts} of ${inMB(LIMIT)}${process}`);
    assert.ok(total <= LIMIT - headroom, notes.at(-1));
    checks++;
  };
  const everyday = [...Object.values(PHOTOS), PHOTOS.cat];
  const first = await measure('bundled', undefined, everyday);
  assert.deepEqual(first.last, expected.cat);
  check('embedded model, bundled', first, HEADROOM.embedded);
  const streamed = await measure('assets', join(folder, 'embedded'), everyday);
  assert.deepEqual(streamed.last, expected.cat);
  check('embedded model, static assets', streamed, HEADROOM.embedded);
  const photo = readFileSync(large);
  const model = join(folder, 'embedded');
  check('embedded model, photos of 12 megapixels', await measure('assets', model, [photo, photo, photo]), HEADROOM.large); // biome-ignore format: one line
  const vitModel = join(folder, 'vit');
  check('ViT-B/32 int8 from 4 shards in static assets, loaded', await measure('assets', vitModel, []), HEADROOM.vit);
  const jpegs = [PHOTOS.rocket, PHOTOS.small, photo];
  const inAssets = await measure('assets', vitModel, jpegs);
  check('ViT-B/32 int8, JPEG photos, one of 12 megapixels', inAssets, HEADROOM.vitJpeg);
  const inBucket = await measure('bucket', BUCKET, jpegs, (server) => fillBucket(server, vit));
  assert.deepEqual(inBucket.last, inAssets.last);
  check('ViT-B/32 int8 from 4 shards in a bucket (R2), JPEG photos, one of 12 megapixels', inBucket, HEADROOM.vitJpeg);
  checks += 3; // fillBucket
  check('ViT-B/32 int8, JPEG, PNG and WebP', await measure('assets', vitModel, everyday), HEADROOM.vitAll);

  // Start-up and CPU time are printed, not asserted.
  const starts = { bundled: [], assets: [] };
  for (let i = 0; i < 3; i++) {
    for (const [program, model] of [['bundled'], ['assets', join(folder, 'embedded')]]) {
      const server = await start(program, model);
      const from = performance.now();
      await get(server.base, '/load');
      starts[program].push(performance.now() - from);
      await server.stop();
    }
  }
  const median = (values) => Math.round(values.toSorted((a, b) => a - b)[values.length >> 1]);
  notes.push(`first load of the embedded model: ${median(starts.bundled)} ms bundled, ${median(starts.assets)} ms streamed from static assets`); // biome-ignore format: one line
  for (const [what, model, count] of [
    ['embedded model', 'embedded', 20],
    ['ViT-B/32 int8', 'vit', 10],
  ]) {
    // biome-ignore format: one line
    const server = await start('assets', join(folder, model));
    // Heap and buffers with what nobody has collected: how much there is depends on the machine.
    const inspector = await inspect(server);
    let uncollected = 0;
    await during(get(server.base, '/load'), async () => {
      uncollected = Math.max(uncollected, await inspector.usage());
    });
    inspector.stop();
    notes.push(`heap and buffers while loading, no collection forced, ${what}: ${inMB(uncollected)} MB seen`);
    const times = {};
    for (const [name, body] of [
      ['a photo of 451 x 300', PHOTOS.cat],
      ['12 megapixels', photo],
    ]) {
      // biome-ignore format: one line
      if (model === 'vit' && body === photo) continue;
      await get(server.base, '/embed', body);
      const process = workerd(server);
      const from = process.cpu();
      for (let i = 0; i < count; i++) await get(server.base, '/embed', body);
      times[name] = Math.round(((process.cpu() - from) / count) * 1000);
    }
    notes.push(`CPU time of a picture, ${what}: ${Object.entries(times).map(([name, ms]) => `${name} ${ms} ms`).join(', ')}`); // biome-ignore format: one line
    await server.stop();
  }
  return { checks, runtime: `workerd ${packageVersion('workerd')}`, notes };
}
