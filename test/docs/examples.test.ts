/** Every example that the docstrings and the README show runs, and gives what it says. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Clip, loadClip } from '../../src/index.ts';
import { VectorIndex } from '../../src/search/index.ts';
import { goldenPath } from '../model/golden.ts';
import { docstringExamples, markdownExamples, run } from './example.ts';

/** What an example writes goes here, and is read from here again. */
const folder = mkdtempSync(join(tmpdir(), 'edgeclip-examples-'));
const written = (path: string) => join(folder, basename(path));
const root = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const file = (name: string) => readFile(root(`examples/${name}`));
/** What stands for a file that is not there: what an example wrote, a file of that name of a model, any picture. */
const found = (path: string) =>
  [
    path,
    written(path),
    goldenPath(`tiny-vit-hf/${basename(path)}`),
    goldenPath(`clip-tokenizer/${basename(path)}`),
    goldenPath(`tiny-vit/${basename(path)}`),
    /\.(jpe?g|png|webp)$/.test(path) && !path.startsWith('no-such') ? root('examples/cat.png') : '',
  ].find(existsSync) ?? path;

let clip: Clip;
beforeAll(async () => {
  clip = await loadClip();
  await writeFile(written('photos.vectors'), (await index()).save());
  // Addresses in examples lead to the files of examples/.
  vi.stubGlobal('fetch', async (from: Request | URL | string) => {
    const { pathname } = new URL(from instanceof Request ? from.url : from);
    return new Response(new Uint8Array(await file(pathname.split('/').at(-1)!)));
  });
});
afterAll(() => {
  vi.unstubAllGlobals();
  clip.dispose();
  rmSync(folder, { recursive: true });
});

const index = async () => {
  const index = await VectorIndex.create({ model: clip });
  index.add('cat.jpg', await clip.encodeImage(await file('cat.png')));
  return index;
};
const classifier = () => clip.classifier(['cat', 'dog', 'cup of coffee']);
/** Cloudflare's static assets and a bucket, with the embedded model's files. */
const stored = (name: string) => readFile(root(`weights/default/${name}`));
const assets = {
  fetch: async (address: string) => {
    const bytes = await stored(basename(new URL(address).pathname)).catch(() => undefined);
    return bytes ? new Response(new Uint8Array(bytes)) : new Response(null, { status: 404 });
  },
};
const bucket = {
  head: async (name: string) => ({ size: (await stored(name)).length }),
  get: async (name: string, { range }: { range: { offset: number } }) =>
    new Response(new Uint8Array((await stored(name)).subarray(range.offset))),
};
/** What an example may use without making it. */
const given = {
  clip: () => clip,
  classifier,
  address: () => written('photos.db'),
  bytes: () => file('cat.png'),
  image: () => file('cat.png'),
  images: async () => [await file('cat.png'), await file('coffee.png')],
  embedding: async () => clip.encodeImage(await file('cat.png')),
  classifierBytes: async () => (await classifier()).toBytes(),
  index,
  frame: async () => new Uint8Array(await file('cat.png')),
  env: () => ({ ASSETS: assets }),
  bucket: () => bucket,
  name: () => 'image.bin',
  join: () => join,
  tmpdir: () => tmpdir,
  readFile: () => (path: string, encoding?: 'utf8') => readFile(found(path), encoding),
  writeFile: () => (path: string, data: Uint8Array | AsyncIterable<Uint8Array>) => writeFile(written(path), data),
};

describe('examples in docstrings', () => {
  it.each(docstringExamples().map((example) => [example.place, example] as const))('%s', async (_, example) => {
    await run(example, given);
  });
});

describe('examples in the README', () => {
  const examples = markdownExamples('README.md');
  it('are there', () => expect(examples.length).toBeGreaterThan(1));
  it.each(examples.map((example) => [example.place, example] as const))('%s', async (_, example) => {
    await run(example, {});
  });
});

describe('examples in docs/', () => {
  it.each(
    ['docs/serve.md', 'docs/adapters.md'].flatMap(markdownExamples).map((example) => [example.place, example] as const),
  )('%s', async (_, example) => {
    await run(example, {});
  });
});

describe('the examples are really run', () => {
  const fails = (code: string) => run({ place: 'README.md, block 0', code }, {});
  it('a wrong value is found', async () => {
    await expect(fails('[1, 2].map((x) => x * 2) // [2, 5]')).rejects.toThrow('to match');
    await expect(fails("console.log('a'); // b")).rejects.toThrow('to match');
    await run(
      { place: 'README.md, block 0', code: 'const x: number = 1;\nx + 0.5 // 1…\nconsole.log({ x }); // { x: 1 }' },
      {},
    );
  });
  it('a name that does not exist is found', async () => {
    await expect(fails("import { loadModel } from 'edgeclip';\nawait loadModel();")).rejects.toThrow(TypeError);
    await expect(fails('await loadClip();')).rejects.toThrow(ReferenceError);
  });
});
