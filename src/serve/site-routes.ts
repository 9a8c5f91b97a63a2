/** The page's files, and the photos that it shows: their ids stand for one content each, so they may be kept forever. */
import type { Env, Hono } from 'hono';
import type { Photo, PhotoStore } from '../search/photo-store.ts';
import { Refusal } from './refusal.ts';
import { photosOf } from './search.ts';
import { pictureType, SITE_POLICY, type Site } from './site.ts';

/** Paths of the page that need no key: what it shows comes by others. */
export const OPEN_FILES = ['/', '/page.css', '/page.js', '/icon.svg'] as const;

export interface SiteParts {
  readonly site: Site | undefined;
  readonly photos: PhotoStore | undefined;
  /** The model's name, once it is loaded. */
  model(): Promise<string>;
}

export function addSite<E extends Env>(hono: Hono<E>, { site, photos, model }: SiteParts): void {
  for (const [path, { type, body }] of site?.files ?? []) {
    hono.get(path, (c) => {
      c.header('content-type', type);
      c.header('content-security-policy', SITE_POLICY);
      c.header('referrer-policy', 'no-referrer');
      return c.body(body);
    });
  }
  hono.get('/site.json', async (c) => {
    return c.json({ model: await model(), photos: photos ? await photos.count() : null });
  });
  const show = (read: (site: Site, photo: Photo) => Promise<Uint8Array>) => async (id: string) => {
    const photo = /^\d{1,15}$/.test(id) ? await photosOf(photos).photo(Number(id)) : undefined;
    if (!photo || !site) throw new Refusal(404, 'NO_PHOTO', `the index has no photo ${id.slice(0, 20)}`);
    const bytes = await read(site, photo).catch((error) => {
      throw new Refusal(404, 'NO_PHOTO', `photo ${id}: ${error.message}`);
    });
    const headers = { 'content-type': pictureType(bytes), 'cache-control': 'private, max-age=31536000, immutable' };
    return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
  };
  const thumbnail = show((site, photo) => site.thumbnail(photo));
  const picture = show((site, photo) => site.picture(photo));
  hono.get('/photos/:id/thumbnail', (c) => thumbnail(c.req.param('id')));
  hono.get('/photos/:id', (c) => picture(c.req.param('id')));
}
