/** An index of a cat and a rocket, in a folder of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clip } from '../../src/clip.ts';
import { openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { photoFile } from './server.ts';

export async function twoPhotos(clip: Clip): Promise<{ photos: PhotoStore; remove(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'edgeclip-two-photos-'));
  const create = { model: clip, dimension: clip.config.embedDim, pictures: { orient: false, scaled: false } };
  const photos = await openPhotos(join(folder, 'photos.db'), { create });
  const [cat, rocket] = await clip.encodeImage(['cat.png', 'rocket.jpg'].map(photoFile));
  const file = (path: string) => ({ path, size: 1, mtime: 1, hash: path });
  await photos.change({
    add: [
      { ...file('/cat.png'), vector: cat! },
      { ...file('/rocket.jpg'), vector: rocket! },
    ],
  });
  const remove = async () => {
    await photos.close();
    rmSync(folder, { recursive: true });
  };
  return { photos, remove };
}
