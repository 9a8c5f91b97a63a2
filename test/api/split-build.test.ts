/** The code of towers in files of their own, as the builds for browsers, edges and `edgeclip/core` have it. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { readGolden, syntheticPicture } from '../model/golden.ts';
import { syntheticFolder, TINY_RN } from '../model/synthetic.ts';
import { type Folder, readFolder, storeOf } from './checkpoint.ts';

const dist = (path: string) => new URL(`../../dist/${path}`, import.meta.url);
const core: { loadClip: typeof loadClip } = await import(dist('core/index.js').href);
const wasm = Object.fromEntries(
  Object.entries({ simd: 'kernels-simd', pictures: 'pictures' }).map(([name, file]) => [
    name,
    readFileSync(dist(`${file}.wasm`)),
  ]),
);

it.each<[string, () => Folder | Promise<Folder>]>([
  ['tiny-vit', () => readFolder('tiny-vit')],
  ['tiny-rn', () => syntheticFolder('tiny-rn', TINY_RN)],
])('%s finds its towers there, with the bits of the sources', async (model, folder) => {
  const { token_ids: ids } = readGolden(`${model}/expected.json`);
  const files = storeOf(await folder());
  using expected = await loadClip(files);
  using clip = await core.loadClip(files, { wasm });
  const picture = syntheticPicture(clip.preprocess.size);
  expect(await clip.encodeImage(picture)).toEqual(await expected.encodeImage(picture));
  expect(await clip.encodeTokens(ids)).toEqual(await expected.encodeTokens(ids));
  expect(clip.info().image).toEqual(expected.info().image);
});
