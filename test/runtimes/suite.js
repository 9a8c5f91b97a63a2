// The same cases in every runtime: pictures and texts in, digests of the embeddings' bits out. Plain JavaScript without any
// import, so that every runtime and bundler takes it as it is.

/** Files of test/golden: JPEG 4:2:0, progressive and gray, PNG with alpha and palette, WebP of both kinds, extreme sizes. */
export const PICTURES = [
  'preprocess/inputs/jpeg_q75_500x375.jpg',
  'preprocess/inputs/jpeg_progressive_320x400.jpg',
  'preprocess/inputs/jpeg_gray_310x240.jpg',
  'photos/rocket.jpg',
  'image-cases/png-rgba8.png',
  'image-cases/r34-palette.png',
  'preprocess/inputs/la_120x90.png',
  'image-cases/webp-lossy.webp',
  'preprocess/inputs/webp_lossless_320x256.webp',
  'photos/cat.png',
  'preprocess/inputs/rgb_1x1.png',
  'image-cases/r17-20000x1.png',
];
const CAT = PICTURES.indexOf('photos/cat.png');
const ROCKET = PICTURES.indexOf('photos/rocket.jpg');

/** R34: pictures whose first pixel has a color, and alpha 0. In Node their pixels are compared with Pillow's. */
const TRANSPARENT = ['image-cases/r34-rgba.png', 'image-cases/r34-palette.png', 'image-cases/r34-key.png', 'image-cases/r34-exact.webp']; // biome-ignore format: one line
/** All files that `runSuite` takes, in this order. */
export const FILES = [...new Set([...PICTURES, ...TRANSPARENT])];

export const TEXTS = [
  'a photo of a cat.',
  'a photo of a dog.',
  'the Eiffel Tower at night',
  'Déjà vu &amp; naïve café',
  '',
  ' ',
  'UPPER and lower',
  "You should've done this",
  '1233 and 12 33',
  'ptarmigan',
  '猫の写真',
  'صورة قطة',
  'фотография кота',
  '🐈‍⬛ on a 🛋️',
  'rocket, launch; smoke: fire!',
  'a sketch of the number 3.14159',
  'e\u0301clair',
  'schÃ¶n',
  `a very long text ${'about cats and dogs '.repeat(40)}`,
  'a photo of a cat',
];

async function digest(vectors) {
  const bytes = new Uint8Array(vectors.reduce((sum, vector) => sum + vector.byteLength, 0));
  let at = 0;
  for (const vector of vectors) {
    bytes.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), at);
    at += vector.byteLength;
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * @param loadClip of any entry of the package
 * @param pictures bytes of PICTURES
 * @param options for loadClip beside `precision`
 * @returns the digests, and what `info()` says
 */
export async function embed(loadClip, pictures, precision, options = {}) {
  const { model, ...rest } = options;
  const clip = await loadClip(model, { precision, ...rest });
  try {
    const images = [];
    for (const picture of pictures) images.push(await clip.encodeImage(picture));
    const texts = await clip.encodeText(TEXTS);
    const ranked = await (await clip.classifier(['dog', 'cat', 'rocket'])).classify(pictures[CAT]);
    if (ranked[0].label !== 'cat') throw new Error(`the cat is a ${ranked[0].label}`);
    const { kernels, threads } = clip.info();
    const groups = {
      [`${precision} images`]: await digest(images),
      [`${precision} texts`]: await digest(texts),
      [`${precision} scores`]: await digest([Float32Array.from(ranked, ({ score }) => score)]),
    };
    return { groups, kernels, threads };
  } finally {
    clip.dispose();
  }
}

/** Both precisions with these kernels and threads; or { missing: the reason } where there are no threads. */
function both({ loadClip, ClipError }, pictures, kernels, threads) {
  return attempt(ClipError, async () => {
    const groups = {};
    for (const precision of ['int8', 'f32']) {
      const found = await embed(loadClip, pictures, precision, { kernels, threads });
      if (found.kernels !== kernels) throw new Error(`${kernels} was asked for, ${found.kernels} ran`);
      if (found.threads.count !== threads) return { missing: found.threads.reason };
      Object.assign(groups, found.groups);
    }
    return { groups };
  });
}

/** What is found, or `missing` where a runtime does not have it, or the error. */
export async function attempt(ClipError, run) {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ClipError && error.code === 'UNSUPPORTED') return { missing: error.message };
    return { error: `${error?.stack ?? error}` };
  }
}

/** loadClip() chooses everything itself. */
export function automatic({ loadClip, ClipError }, pictures) {
  return attempt(ClipError, async () => ({ groups: (await embed(loadClip, pictures, 'int8')).groups }));
}

/** A model that is not there is an error with a code, in words. */
export async function missingModel({ loadClip, ClipError }, model) {
  try {
    await loadClip(model);
  } catch (error) {
    const typed = error instanceof ClipError && ['IO', 'CONFIG'].includes(error.code) && error.message.length > 20;
    return typed ? { groups: {} } : { error: `${error?.stack ?? error}` };
  }
  return { error: 'a model that is not there was loaded' };
}

/** `edgeclip/core` with everything given: bytes of the WebAssembly files and of the model. */
export function given({ loadClip, ClipError, bytesSource }, pictures, wasm, files) {
  const model = {
    name: 'given',
    text: async (name) => files[name] && new TextDecoder().decode(files[name]),
    source: async (name) => files[name] && bytesSource(files[name], name),
  };
  return attempt(ClipError, async () => ({
    groups: (await embed(loadClip, pictures, 'int8', { model, wasm })).groups,
  }));
}

/** How often a timer ticks for each picture that a worker computes: the event loop turns all the time. In this thread, once. */
async function turning({ loadClip }, picture) {
  const clip = await loadClip({ towers: ['image'] });
  await clip.encodeImage(picture);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 4);
  await clip.encodeImage(Array(20).fill(picture));
  clearInterval(timer);
  clip.dispose();
  return ticks > 2 * 20 ? { groups: {} } : { error: `${ticks} ticks while 20 pictures were computed` };
}

/** `edgeclip/image`: the bits of the whole package, with a classifier file it made, and an error that says where texts are. */
function imageOnly(image, { loadClip }, pictures) {
  return attempt(image.ClipError, async () => {
    const whole = await loadClip();
    const file = (await whole.classifier(['dog', 'cat', 'rocket'])).toBytes();
    whole.dispose();
    const clip = await image.loadClip();
    const images = [];
    for (const picture of pictures) images.push(await clip.encodeImage(picture));
    const ranked = await image.Classifier.fromBytes(file, clip).classify(pictures[CAT]);
    const error = await clip.encodeText('a cat').catch((error) => error);
    const { towers } = clip.info();
    clip.dispose();
    if (towers.join() !== 'image') throw new Error(`it has the towers ${towers}`);
    if (error.code !== 'TOWER_NOT_LOADED' || !/import \{ loadClip \} from 'edgeclip' for texts/.test(error.message)) throw error; // biome-ignore format: one line
    const scores = [Float32Array.from(ranked, ({ score }) => score)];
    return { groups: { 'int8 images': await digest(images), 'int8 scores': await digest(scores) } };
  });
}

/** `imageSize`: the same pictures at a smaller and a larger side than the model's, in both precisions, and a side that cannot be. */
function sized({ loadClip, ClipError }, pictures) {
  return attempt(ClipError, async () => {
    const groups = {};
    for (const precision of ['int8', 'f32']) {
      const images = [];
      for (const imageSize of [160, 256]) {
        const clip = await loadClip(undefined, { towers: ['image'], precision, imageSize });
        const { size } = clip.info().image;
        if (size !== imageSize) throw new Error(`${imageSize} was asked for, pictures have ${size}`);
        for (const picture of [pictures[CAT], pictures[ROCKET]]) images.push(await clip.encodeImage(picture));
        clip.dispose();
      }
      groups[`${precision} imageSize`] = await digest(images);
    }
    const error = await loadClip(undefined, { imageSize: 100 }).catch((error) => error);
    if (!(error instanceof RangeError)) throw new Error(`imageSize 100 gave ${error}`);
    return { groups };
  });
}

/**
 * `edgeclip/search`: 500 vectors, some removed, one replaced; the answers to three texts, the same after the index is saved and
 * read again, into memory and not; and the bytes that were saved. The vectors are not of the runtime's random numbers.
 */
function searching({ VectorIndex, bytesSource }, { loadClip, ClipError }, pictures) {
  return attempt(ClipError, async () => {
    const clip = await loadClip();
    const { embedDim } = clip.config;
    const vector = (i) =>
      Float32Array.from({ length: embedDim }, (_, k) => ((i * 7919 + k * 104729) % 2003) / 1001 - 1);
    const id = (i) => (i % 2 ? i : `picture ${i}`);
    const index = await VectorIndex.create({ model: clip });
    for (let i = 0; i < 500; i++) index.add(id(i), vector(i));
    for (let i = 0; i < 500; i += 7) if (!index.remove(id(i))) throw new Error(`${id(i)} was not there`);
    index.add('cat', vector(1));
    index.add('cat', await clip.encodeImage(pictures[CAT])); // in its place
    const bytes = await index.toBytes();
    const indexes = {
      'as it was made': index,
      'read again': await VectorIndex.load(bytes, { model: clip }),
      'left in its file': await VectorIndex.load(bytesSource(bytes), { model: clip, onDisk: true }),
    };
    const texts = await clip.encodeText(['a photo of a cat', 'a rocket', 'nothing of this']);
    clip.dispose();
    let expected;
    for (const [name, one] of Object.entries(indexes)) {
      if (one.size !== 500 - 72 + 1) throw new Error(`${name}: ${one.size} vectors`);
      const lists = [];
      for (const text of texts) lists.push(await one.search(text, 20, { filter: (id) => id !== 'picture 2' }));
      if (lists[0][0].id !== 'cat') throw new Error(`${name}: the cat is not the first`);
      const answer = JSON.stringify(lists);
      expected ??= answer;
      if (answer !== expected) throw new Error(`${name}: another answer`);
    }
    return { groups: { search: await digest([new TextEncoder().encode(expected), bytes]) } };
  });
}

/** R34: the color under transparent pixels is kept, as `convert('RGB')` does. */
function transparent({ preprocess, ClipError }, files) {
  const channels = [0.5, 0.5, 0.5];
  const config = { size: 16, mean: channels, std: channels, crop: 'half-even', resize: 'squash', interpolation: 'bicubic' }; // biome-ignore format: one line
  return attempt(ClipError, async () => {
    const crops = [];
    for (const name of TRANSPARENT) crops.push((await preprocess(files[FILES.indexOf(name)], config)).data);
    return { groups: { transparent: await digest(crops) } };
  });
}

/** B09: a timer's signal stops long calls on their way, and timers tick beside short ones, in the thread that computes. */
function eventLoop({ loadClip, ClipError }, pictures, threads) {
  const raw = { data: new Uint8Array(300 * 300 * 3).map((_, i) => i % 251), width: 300, height: 300 };
  const texts = Array.from({ length: 2000 }, (_, i) => `${i * 7919} small things, of which ${i} are red`);
  const labels = Array.from({ length: 400 }, (_, i) => `label of the number ${i * 7919}`);
  const turn = async (clip) => {
    const calls = {
      texts: (options) => clip.encodeText(texts, options),
      classifier: (options) => clip.classifier(labels, { ...options, templates: 'openai-7' }),
    };
    for (const [kind, picture] of Object.entries({ PNG: pictures[CAT], JPEG: pictures[ROCKET], raw })) {
      calls[kind] = (options) => clip.encodeImage(Array(300).fill(picture), options);
    }
    for (const [name, call] of Object.entries(calls)) {
      let done = 0;
      const onProgress = (progress) => {
        done = progress.done;
      };
      const found = await call({ signal: AbortSignal.timeout(100), onProgress }).catch((error) => error);
      if (found?.name !== 'TimeoutError') throw new Error(`${name}: not stopped after 100 ms, but ${found}`);
      const stopped = done;
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (done !== stopped) throw new Error(`${name}: went on from ${stopped} to ${done}`);
    }
    let ticks = 0;
    const timer = setInterval(() => ticks++, 20);
    for (let i = 0; i < 60; i++) await clip.encodeImage(raw);
    clearInterval(timer);
    if (ticks < 5) throw new Error(`${ticks} ticks beside 60 calls`);
  };
  return attempt(ClipError, async () => {
    for (const count of threads.filter((count) => count <= 2)) {
      const clip = await loadClip({ threads: count });
      await turn(clip).finally(() => clip.dispose());
    }
    return { groups: {} };
  });
}

/**
 * Everything that a runtime is asked for. `core` is { entry, wasm, files }, `bundle`, `worker`, `image` and `search` are entries;
 * each may be missing.
 *
 * @param files bytes of FILES
 * @param loop whether its thread's event loop is looked at
 * @param only the checks to run; all without it
 * @param begun is told each check before it runs
 * @returns by check: { groups } or { missing: the reason } or { error }
 */
export async function runSuite({
  edgeclip,
  bundle,
  core,
  worker,
  image,
  search,
  files,
  loop,
  kernels,
  threads,
  noModel,
  only,
  begun,
}) {
  const results = {};
  const pictures = files.slice(0, PICTURES.length);
  const checks = {
    automatic: () => automatic(edgeclip, pictures),
    error: () => missingModel(edgeclip, noModel),
  };
  for (const build of kernels) {
    for (const count of threads) checks[`${build} ${count}`] = () => both(edgeclip, pictures, build, count);
  }
  if (bundle) checks.bundle = () => both(bundle, pictures, 'simd', 1);
  if (bundle && threads.length > 1) checks['bundle 2'] = () => both(bundle, pictures, 'simd', 2);
  if (core) checks.core = () => given(core.entry, pictures, core.wasm, core.files);
  if (worker) {
    checks.worker = () => both(worker, pictures, 'simd', 1);
    if (threads.length > 1) checks['worker 2'] = () => both(worker, pictures, 'simd', 2);
    checks['worker error'] = () => (results.worker?.missing ? results.worker : missingModel(worker, noModel));
    checks.turning = () => attempt(worker.ClipError, () => turning(worker, pictures[CAT]));
  }
  checks.transparent = () => transparent(edgeclip, files);
  if (image) checks.image = () => imageOnly(image, edgeclip, pictures);
  checks.imageSize = () => sized(edgeclip, pictures);
  if (search) checks.search = () => searching(search, edgeclip, pictures);
  if (loop) checks.loop = () => eventLoop(edgeclip, pictures, threads);
  for (const [check, run] of Object.entries(checks)) {
    if (only && !only.includes(check)) continue;
    await begun?.(check);
    results[check] = await run();
  }
  return results;
}
