// The same cases in every runtime: pictures and texts in, digests of the embeddings' bits out. Plain JavaScript without any
// import, so that every runtime and bundler takes it as it is.

/** Files of test/golden: JPEG 4:2:0, progressive and grey, PNG with alpha and palette, WebP of both kinds, extreme sizes. */
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

/**
 * Everything that a runtime is asked for. `core` is { entry, wasm, files }, `bundle` and `worker` are entries; each may
 * be missing.
 *
 * @param only the checks to run; all without it
 * @returns by check: { groups } or { missing: the reason } or { error }
 */
export async function runSuite({ edgeclip, bundle, core, worker, pictures, kernels, threads, noModel, only }) {
  const results = {};
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
  for (const [check, run] of Object.entries(checks)) {
    if (!only || only.includes(check)) results[check] = await run();
  }
  return results;
}
