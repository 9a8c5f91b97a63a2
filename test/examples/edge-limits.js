// The edge's limits: a worker has 128 MB, which workerd does not enforce here, so they are added up: the most of WebAssembly memories
// (counted inside, also those of decoders at work), heap and buffers in use (by the inspector, after a collection), and the peak of the
// whole process above an idle worker's. Prints start-up and CPU time of a picture, and sizes of workers.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inside, node, packageVersion, run } from './runtime.js';
import { serve } from './server.js';
import { PHOTOS } from './service.js';

const MB = 1e6;
/** developers.cloudflare.com/workers/platform/limits: memory of an isolate. */
const LIMIT = 128 * MB;
/** What must be left of it, for the program's own use. Sums differ by 0.1 MB from run to run, and these bounds are 2 or 3 MB from them. */
const HEADROOM = { embedded: 93 * MB, large: 114 * MB, vit: 30 * MB, vitJpeg: 29 * MB, vitAll: 12 * MB };
/** Since 2026-09-04, uncompressed, on all plans; it was 3 and 10 MB compressed before. */
const WORKER_SIZE = '64 MiB uncompressed';

const SERVER = fileURLToPath(new URL('../runtimes/workerd-server.js', import.meta.url));
const LARGE_JPEG = fileURLToPath(new URL('../runtimes/large-jpeg.js', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAMS = fileURLToPath(new URL('edge-limits/', import.meta.url));
const inMB = (bytes) => (bytes / MB).toFixed(1);

/** A field of /proc/PID/status of the workerd that this server started, in bytes. */
function workerd(server) {
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
  const pid = children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('workerd'));
  const field = (name) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
  return {
    peak: () => field('VmHWM'),
    /** Seconds of all its threads. */
    cpu() {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100; // utime and stime in ticks
    },
  };
}

/** Heap and buffers of the worker, in bytes, by its inspector. */
async function inspect(server) {
  const address = /inspector: (\S+)/.exec(server.printed())[1];
  const { WebSocket } = await import('node:module').then(({ createRequire }) =>
    createRequire(inside('miniflare/'))('ws'),
  );
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map();
  socket.onmessage = ({ data }) => {
    const { id, result } = JSON.parse(data);
    waiting.get(id)?.(result.usedSize + result.backingStorageSize);
    waiting.delete(id);
  };
  let id = 0;
  return {
    usage() {
      socket.send(JSON.stringify({ id: ++id, method: 'Runtime.getHeapUsage' }));
      return new Promise((resolve) => waiting.set(id, resolve));
    },
    stop: () => socket.close(),
  };
}

/** Calls `look` again and again until `work` is done. */
async function during(work, look) {
  let done = false;
  const working = work.finally(() => {
    done = true;
  });
  working.catch(() => {}); // awaited below
  while (!done) {
    await look();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return working;
}

/** Sends a picture but for its last bytes, looks at the worker that has begun to decode it, then sends the rest. */
async function embedSlowly(base, photo, look) {
  const end = photo.length - 16;
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(photo.subarray(0, end));
      for (let i = 0; i < 5; i++) await look();
      controller.enqueue(photo.subarray(end));
      controller.close();
    },
  });
  return get(base, '/embed', body);
}

const get = async (base, path, body) => {
  const response = await fetch(new URL(path, base), body ? { method: 'POST', body, duplex: 'half' } : {});
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return response.text();
};

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
  for (const [name, what] of [
    ['both', 'both towers'],
    ['bundled', 'image tower'],
    ['assets', 'image tower, weights in static assets'],
  ]) {
    notes.push(`size of a worker, ${what}: ${await bundle(name)} (limit ${WORKER_SIZE})`);
  }

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

  const start = (program, model, env) =>
    serve(node, [SERVER, `${program}-out`, ...(model ? [model] : [])], folder, env);
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
  const measure = async (program, model, photos) => {
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
      const planned = JSON.parse(await during(get(server.base, '/load'), look));
      let last;
      for (const photo of photos) {
        last = JSON.parse(await embedSlowly(server.base, photo, look));
        await look();
      }
      await look();
      const memories = JSON.parse(await get(server.base, '/memory'));
      const peak = workerd(server).peak() - idle;
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
    notes.push(
      `${what}: model ${inMB(planned)} MB; ${parts} of ${inMB(LIMIT)}; process above an idle worker ${inMB(peak)} MB`,
    );
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
  check('ViT-B/32 int8, JPEG photos, one of 12 megapixels', await measure('assets', vitModel, jpegs), HEADROOM.vitJpeg); // biome-ignore format: one line
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
