/** The page of photos that were found: where its links lead. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { photoPage } from '../../src/cli/photo-page.ts';
import type { PhotoStore } from '../../src/search/index.ts';

const page = (...paths: string[]) =>
  photoPage({
    asked: 'a cat',
    found: paths.map((path, id) => ({ id, path, size: 0, mtime: 0, hash: '', similarity: 0.5 })),
    clip: undefined as never, // no photo is there to be decoded
    store: { name: 'p.db', count: async () => paths.length, pictures: {} } as PhotoStore,
  });

it.skipIf(process.platform === 'win32')('leads to files of any name, and to addresses that browsers open', async () => {
  const names = [
    '/none/%41 ?#"<&.png',
    '/none/é\n.png',
    '/none/é %\udcff\udcfe?.png',
    'https://a.example/a.png',
    's3://bucket/a?b.png',
  ];
  const html = await page(...names);
  const hrefs = Array.from(html.matchAll(/href="([^"]*)"/g), ([, href]) => href!.replaceAll('&amp;', '&'));
  expect(hrefs.slice(0, 2).map((href) => fileURLToPath(href))).toEqual(names.slice(0, 2));
  expect(hrefs.slice(2)).toEqual(['file:///none/%C3%A9%20%25%FF%FE%3F.png', 'https://a.example/a.png']);
  expect(html).toContain('<span>s3://bucket/a?b.png</span>');
  expect(html).toContain('<span>/none/é %\\xFF\\xFE?.png</span>');
});
