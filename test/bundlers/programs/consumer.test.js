// For Jest and Vitest, whose tests run in another realm than the engine's own.
import { readFile } from 'node:fs/promises';
import { loadClip } from 'edgeclip';
import { answer } from './answer.js';

test('files, pixels and texts', async () => {
  expect(await answer(loadClip, readFile)).toBe('cat rocket cat');
  const clip = await loadClip({ threads: 2 });
  expect(clip.info().threads).toEqual({ count: 2 });
  const pixels = await clip.encodeImage({ data: new Uint8Array(300).fill(9), width: 10, height: 10 });
  expect(pixels instanceof Float32Array).toBe(true);
  expect(await clip.encodeText('a cat')).toHaveLength(pixels.length);
  await expect(clip.encodeImage(new Uint8Array(5))).rejects.toMatchObject({ code: 'IMAGE_FORMAT' });
  clip.dispose();
}, 60_000);
