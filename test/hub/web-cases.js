// Models by name in a page, a worker of a page, or workerd, with the Cache API that is there. The hub is told by its control
// address what to do, and tells what it was asked.

const HUB = 'https://huggingface.co';
const NAME = 'someone/tiny-vit';
const LARGE = 'someone/large';
const WEIGHTS = 'open_clip_model.safetensors';
const BLOCK = 8 << 20;

/** @param setup what startControl in web-runtimes.js tells; each case gives nothing or throws */
export async function runCases({ loadClip }, setup) {
  const { hub, control } = setup;
  const picture = { ...setup.picture, data: Uint8Array.from(setup.picture.data) };
  /** The hub's address is fixed where there are no environment variables. */
  const toHub = (input, init) => fetch(String(input).replace(HUB, hub), init);
  const tell = async (what) => {
    await fetch(`${control}tell`, { method: 'POST', body: JSON.stringify(what) });
  };
  /** What was asked since the last time. */
  const asked = async () => (await fetch(`${control}asked`, { method: 'POST' })).json();
  const files = (list) => list.filter(({ at, method }) => at === 'files' && method !== 'OPTIONS');

  const vectorOf = async (name = NAME, options = {}) => {
    const clip = await loadClip(name, { fetch: toHub, towers: ['image'], ...options });
    const vector = Array.from(await clip.encodeImage(picture));
    clip.dispose();
    return vector;
  };
  const tokensOf = async (options = {}) => {
    const clip = await loadClip(LARGE, { fetch: toHub, ...options });
    const vectors = await clip.encodeTokens(setup.large.ids);
    clip.dispose();
    return vectors.map((vector) => Array.from(vector));
  };
  const store = (name = 'edgeclip') => caches.open(name);
  const keyOf = (name, file) => `${HUB}/${name}/resolve/${setup.commits[name]}/${file}`;
  const blocks = [0, 1, 2, 3].map((i) => `${keyOf(LARGE, WEIGHTS)}?block=${i * BLOCK}-${Math.min((i + 1) * BLOCK, setup.large.length)}`); // biome-ignore format: one line
  const isKept = async (key, name) => (await (await store(name)).match(key)) !== undefined;
  const kept = (name) => Promise.all(blocks.map((key) => isKept(key, name)));
  const zeroed = async (key) => {
    const cache = await store();
    const entry = await cache.match(key);
    const { headers } = entry;
    const bytes = new Uint8Array(await entry.arrayBuffer());
    await cache.put(key, new Response(bytes.fill(0, bytes.length / 2), { headers }));
  };
  const fails = (work) => work.then(() => { throw new Error('did not fail'); }, (error) => error); // biome-ignore format: one line

  return {
    async 'is fetched once: the second load comes from the cache'() {
      const seen = [];
      equal(await vectorOf(NAME, { onProgress: ({ file, ...one }) => file === WEIGHTS && seen.push(one) }), setup.expected, 'bits'); // biome-ignore format: one line
      equal(files(await asked()).length, 1, 'requests for weights');
      const { length } = setup.weights;
      for (let i = 1; i < seen.length; i++) ok(seen[i].loaded > seen[i - 1].loaded, 'progress goes on');
      equal(seen.at(-1), { loaded: length, total: length }, 'progress ends with the file');
      equal(await vectorOf(), setup.expected, 'bits of the second load');
      const second = await asked();
      equal(
        second.filter(({ path }) => !path.startsWith('/api/models/')),
        [],
        'requests for files in the second load',
      );
      equal(await vectorOf(NAME, { localFilesOnly: true }), setup.expected, 'bits with localFilesOnly');
      equal(await asked(), [], 'requests with localFilesOnly');
      const { code, message } = await fails(vectorOf('some/other', { localFilesOnly: true }));
      ok(code === 'IO' && message.includes('is not in the cache "edgeclip"'), message);
    },

    async 'the token stays with the hub'() {
      // With a token, Firefox asks the files' origin too whether it may; Chromium does not.
      await tell({ token: 'hf_secret', preflights: true });
      equal(await vectorOf(NAME, { accessToken: 'hf_secret', cacheDir: 'private' }), setup.expected, 'bits');
      const all = (await asked()).filter(({ method }) => method !== 'OPTIONS');
      ok(
        files(all).length > 0 && files(all).every(({ authorization }) => authorization === undefined),
        'files without',
      );
      ok(
        all.some(({ at, authorization }) => at === 'hub' && authorization === 'Bearer hf_secret'),
        'the hub with it',
      );
      const { message } = await fails(vectorOf(NAME, { cacheDir: 'nothing' }));
      ok(message.includes('if it is private, give a token'), message);
      await tell({ token: null, preflights: false });
    },

    async 'a damaged entry is found and goes away'() {
      for (const file of [WEIGHTS, 'open_clip_config.json']) {
        const key = keyOf(NAME, file);
        await zeroed(key);
        const error = await fails(vectorOf(NAME, { localFilesOnly: true }));
        ok(
          error.code === 'IO' && error.message.includes('was damaged in the cache and is gone from it'),
          error.message,
        );
        ok(!(await isKept(key)), `${file} is still kept`);
        equal(await vectorOf(), setup.expected, 'bits after it was fetched anew');
        await zeroed(key);
        equal(await vectorOf(), setup.expected, 'bits of a load that finds the damage');
        equal(await vectorOf(NAME, { localFilesOnly: true }), setup.expected, 'bits of what was fetched anew');
      }
      await asked();
    },

    async 'a web page instead of the weights is not kept'() {
      await tell({ page: true });
      const { message } = await fails(vectorOf(NAME, { cacheDir: 'pages' }));
      ok(message.includes('a web page came instead of'), message);
      await tell({ page: false });
      equal(await vectorOf(NAME, { cacheDir: 'pages' }), setup.expected, 'bits');
    },

    async 'an aborted load leaves nothing half-written, and the next one works'() {
      await tell({ slow: { bytes: 200_000, ms: 30 } });
      const stop = new AbortController();
      const reason = new Error('enough');
      const onProgress = ({ file }) => file === WEIGHTS && stop.abort(reason);
      equal(await fails(vectorOf(NAME, { cacheDir: 'aborted', signal: stop.signal, onProgress })), reason, 'reason');
      await tell({ slow: null });
      ok(!(await isKept(keyOf(NAME, WEIGHTS), 'aborted')), 'a part is kept');
      equal(await vectorOf(NAME, { cacheDir: 'aborted' }), setup.expected, 'bits');
    },

    async 'a connection that breaks is tried again'() {
      await tell({ cuts: [1_000_000, 0] });
      equal(await vectorOf(NAME, { cacheDir: 'cut' }), setup.expected, 'bits');
      await asked();
    },

    async 'of a large file only the blocks that a tower needs come; the rest later'() {
      equal(await vectorOf(LARGE), setup.expected, 'bits');
      const starts = (list) => files(list).map(({ range }) => Number(/\d+/.exec(range)[0]) / BLOCK).sort(); // biome-ignore format: one line
      equal(starts(await asked()), [0, 3], 'blocks for the image tower');
      equal(await tokensOf({ towers: ['text'] }), setup.large.vectors, 'bits of tokens');
      equal(starts(await asked()), [1, 2], 'blocks for the text tower');
      equal(await tokensOf(), setup.large.vectors, 'bits from the cache');
      equal(files(await asked()), [], 'requests for weights');
      await zeroed(blocks[1]);
      equal(await tokensOf(), setup.large.vectors, 'bits after damage');
      equal(starts(await asked()), [1], 'the damaged block');
    },

    async 'a large file with other bytes is found when all have come, and goes away'() {
      for (const ranges of ['given', 'ignored']) {
        await tell({ flip: 2 * BLOCK + 5, ranges });
        const cacheDir = `flipped ${ranges}`;
        const { message } = await fails(tokensOf({ cacheDir }));
        ok(message.includes('was damaged on its way: its checksum is'), message);
        equal(await kept(cacheDir), [false, false, false, false], 'blocks that are kept');
        await tell({ flip: null });
        equal(await tokensOf({ cacheDir }), setup.large.vectors, 'bits of the good file');
        equal(await kept(cacheDir), [true, true, true, true], 'blocks that are kept');
        await asked();
        equal(await tokensOf({ cacheDir }), setup.large.vectors, 'bits from the cache');
        equal(files(await asked()), [], 'requests for weights');
      }
      await tell({ ranges: 'given' });
    },
  };
}

/** Runs all; a line for each: '' or what was wrong. */
export async function results(edgeclip, setup) {
  const found = {};
  for (const [name, work] of Object.entries(await runCases(edgeclip, setup))) {
    found[name] = await work().then(() => '', (error) => `${error}\n${error.stack}`); // biome-ignore format: one line
  }
  return found;
}

function ok(value, what) {
  if (!value) throw new Error(what);
}

function equal(found, expected, what) {
  if (found === expected) return;
  const [one, other] = [found, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: ${one?.slice(0, 300)}, expected ${other?.slice(0, 300)}`);
}
