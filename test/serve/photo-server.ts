/** A server on an index of the golden photos, whose files have a year each, from 2020 on. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clip } from '../../src/clip.ts';
import { loadClip } from '../../src/load.ts';
import { openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { openSite } from '../../src/serve/node-site.ts';
import { photoFile, type Served, served } from './server.ts';

export const PHOTOS = fileURLToPath(new URL('../golden/photos/', import.meta.url));
export const names = readdirSync(PHOTOS).filter((name) => /\.(png|jpg)$/.test(name));

export interface PhotoServer {
  readonly clip: Clip;
  readonly store: PhotoStore;
  readonly server: Served;
  /** Of the index, and for what a test makes. */
  readonly folder: string;
  /** Where the server keeps thumbnails. */
  readonly thumbnails: string;
  remove(): Promise<void>;
}

export async function photoServer(): Promise<PhotoServer> {
  const folder = mkdtempSync(join(tmpdir(), 'edgeclip-photo-server-'));
  const thumbnails = join(folder, 'thumbnails');
  const clip = await loadClip();
  const create = { model: clip, dimension: clip.config.embedDim, pictures: { orient: false, scaled: false } };
  const store = await openPhotos(join(folder, 'photos.db'), { create });
  const vectors = await clip.encodeImage(names.map(photoFile));
  await store.change({
    add: names.map((name, i) => ({
      path: join(PHOTOS, name),
      size: photoFile(name).length,
      mtime: Date.UTC(2020 + i, 5, 1),
      hash: createHash('sha256').update(photoFile(name)).digest('hex'),
      vector: vectors[i]!,
    })),
  });
  const server = await served(clip, { photos: store, site: await openSite(thumbnails) });
  const remove = async () => {
    await server.close();
    await store.close();
    clip.dispose();
    rmSync(folder, { recursive: true });
  };
  return { clip, store, server, folder, thumbnails, remove };
}
