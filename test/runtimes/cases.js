// Embeds the same pictures and texts in whatever runtime this is, in several variants: a digest of the bits of each.

const PICTURES = [
  'photos/cat.png',
  'photos/rocket.jpg',
  'preprocess/inputs/webp_lossless_320x256.webp',
  'preprocess/inputs/jpeg_progressive_320x400.jpg',
];
const texts = ['a photo of a cat.', 'Déjà vu &amp; naïve café', '', 'the Eiffel Tower at night'];

async function digest(vectors) {
  const bytes = new Uint8Array(vectors.length * vectors[0].byteLength);
  for (const [i, vector] of vectors.entries()) bytes.set(new Uint8Array(vector.buffer), i * vector.byteLength);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * @param edgeclip the package, as imported
 * @param read gives the bytes of a file of test/golden
 * @returns by the name of a variant: its digests, or "unsupported"
 */
export async function runCases({ ClipError, loadClip }, read) {
  const pictures = await Promise.all(PICTURES.map(read));
  const results = {};
  for (const precision of ['int8', 'f32']) {
    const runs = [
      { kernels: 'simd', threads: 1 },
      { kernels: 'simd', threads: 2 },
      { kernels: 'simd', threads: 3, form: 16 }, // the tile's form is not tried: a picture left over is one program for all threads
      { kernels: 'relaxed', threads: 1 },
    ];
    for (const options of runs) {
      const name = `${precision}, ${options.kernels}, ${options.threads} thread${options.threads > 1 ? 's' : ''}`;
      try {
        const clip = await loadClip(undefined, { precision, ...options });
        const image = await digest(await clip.encodeImage(pictures));
        const text = await digest(await clip.encodeText(texts));
        const ranked = await (await clip.classifier(['cat', 'dog', 'rocket'])).classify(pictures[0]);
        const { count, reason } = clip.info().threads;
        if (count !== options.threads) throw new Error(`expected ${options.threads} threads, got ${count}: ${reason}`);
        results[name] = {
          image,
          text,
          first: ranked[0].label,
          scores: await digest([Float32Array.from(ranked, (r) => r.score)]),
        };
        clip.dispose();
      } catch (error) {
        if (!(error instanceof ClipError) || error.code !== 'UNSUPPORTED') throw error;
        results[name] = 'unsupported';
      }
    }
  }
  return results;
}
