/** The page's files from `dist/page`, and thumbnails in a folder of the user's cache, in Node, Deno and Bun. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ClipError } from '../errors.ts';
import { toPath } from '../file-name.ts';
import { preprocess } from '../image/preprocess.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { png } from '../png-file.ts';
import type { Photo } from '../search/photo-store.ts';
import { Turns } from '../turns.ts';
import type { PageFile, Site } from './site.ts';

/** Side of a thumbnail in pixels. */
const SIDE = 240;
/** Thumbnails that are made at once. */
const TOGETHER = 2;

const text = (address: URL) => readFile(address, 'utf8');

/** Each with an address of its own as an argument of a call, which tools that bundle or trace follow. */
const FILES: Record<string, { readonly type: string; readonly read: () => Promise<string> }> = {
  '/': { type: 'text/html', read: () => text(new URL('../../dist/page/index.html', import.meta.url)) },
  '/icon.svg': { type: 'image/svg+xml', read: () => text(new URL('../../dist/page/icon.svg', import.meta.url)) },
  '/page.css': { type: 'text/css', read: () => text(new URL('../../dist/page/page.css', import.meta.url)) },
  '/page.js': { type: 'text/javascript', read: () => text(new URL('../../dist/page/page.js', import.meta.url)) },
};

/** The middle of a picture; mean and standard deviation are not applied to what is looked at. */
const SQUARE: PreprocessConfig = {
  size: SIDE,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  crop: 'floor',
  resize: 'shortest',
  interpolation: 'bicubic',
};

/** Where thumbnails are kept by default. */
export function thumbnailFolder(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return join(cache, 'edgeclip', 'thumbnails');
}

/** @param folder of the thumbnails, named by the photos' hashes: each is made once */
export async function openSite(folder: string): Promise<Site> {
  const files = new Map<string, PageFile>();
  for (const [path, { type, read }] of Object.entries(FILES)) {
    files.set(path, { type: `${type}; charset=utf-8`, body: await read() });
  }
  const making = new Map<string, Promise<Uint8Array>>();
  const turns = new Turns(TOGETHER);

  const make = async (photo: Photo, path: string) => {
    const bytes = await picture(photo);
    const { data } = await preprocess(bytes, SQUARE, { orient: true, scaled: true });
    const thumbnail = png(data, SIDE, SIDE);
    await makeFolder(folder);
    const partial = `${path}.${process.pid}.partial`;
    await writeFile(partial, thumbnail);
    await rename(partial, path);
    return thumbnail;
  };
  const picture = async ({ path }: Photo) => {
    try {
      return new Uint8Array(await readFile(toPath(path)));
    } catch (cause) {
      throw new ClipError('IO', `cannot read "${path}"`, { cause });
    }
  };
  return {
    files,
    picture,
    async thumbnail(photo) {
      const path = join(folder, `${photo.hash}-${SIDE}.png`);
      const kept = await readFile(path).catch(() => undefined);
      if (kept) return new Uint8Array(kept);
      let thumbnail = making.get(path);
      if (!thumbnail) {
        thumbnail = turns.run(() => make(photo, path)).finally(() => making.delete(path));
        making.set(path, thumbnail);
      }
      return thumbnail;
    },
  };
}
