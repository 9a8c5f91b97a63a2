/** The page in Debian's Chromium, clicked through under its strict Content-Security-Policy. Needs `npm run build`. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Clip } from '../../../src/clip.ts';
import { loadClip } from '../../../src/load.ts';
import { openPhotos, type PhotoStore } from '../../../src/search/index.ts';
import { openSite } from '../../../src/serve/node-site.ts';
import { dataUri, photoFile, type Served, served } from '../server.ts';

const PHOTOS = fileURLToPath(new URL('../../golden/photos/', import.meta.url));
/** Where screenshots go, to be looked at: EDGECLIP_SCREENSHOTS. */
const screenshots = process.env.EDGECLIP_SCREENSHOTS;
const folder = mkdtempSync(join(tmpdir(), 'edgeclip-page-'));
const thumbnails = join(folder, 'thumbnails');
const names = readdirSync(PHOTOS).filter((name) => /\.(png|jpg)$/.test(name));
let clip: Clip;
let store: PhotoStore;
let server: Served;
let browser: Browser;

beforeAll(async () => {
  clip = await loadClip();
  const create = { model: clip, dimension: clip.config.embedDim, pictures: { orient: false, scaled: false } };
  store = await openPhotos(join(folder, 'photos.db'), { create });
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
  server = await served(clip, { photos: store, site: await openSite(thumbnails) });
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  await store?.close();
  clip.dispose();
  rmSync(folder, { recursive: true });
});

type Looks = NonNullable<Parameters<Browser['newContext']>[0]>;

/** A page, and what went wrong in it. */
async function opened(url: string, looks: Looks = {}): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...looks });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(url)) faults.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults };
}

/** A JPEG with EXIF in front that says: turned by a quarter. */
function turned(jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  const exif = 'ffe100224578696600004d4d002a00000008000101120003000000010006000000000000';
  return new Uint8Array(Buffer.concat([jpeg.subarray(0, 2), Buffer.from(exif, 'hex'), jpeg.subarray(2)]));
}

const look = async (page: Page, name: string) => {
  if (screenshots !== undefined) await page.screenshot({ path: join(screenshots, `${name}.png`) });
};
const found = (page: Page) => page.locator('#photos .name').allTextContents();

describe('POST /search', () => {
  const ask = async (body: object) => {
    const { json } = await server.post('/search', body);
    return json.photos.map(({ path }: { path: string }) => path.split('/').at(-1));
  };

  it('finds photos as the index does, by words, a picture, another photo, and less of something', async () => {
    const query = await clip.encodeText('a cup of coffee');
    const expected = await store.search(query, 3);
    const { json } = await server.post('/search', { text: 'a cup of coffee', top: 3 });
    expect(json.photos).toEqual(
      expected.map(({ id, path, size, mtime, similarity }) => ({
        id,
        path,
        size,
        modified: new Date(mtime).toISOString(),
        similarity,
      })),
    );
    expect((await ask({ image: dataUri(photoFile('rocket.jpg')) }))[0]).toBe('rocket.jpg');
    const cat = (await store.photos()).find(({ path }) => path.endsWith('cat.png'))!;
    expect((await ask({ photo: cat.id }))[0]).toBe('cat.png');
    expect((await ask({ image: dataUri(photoFile('cat.png')), not: 'a cat' }))[0]).toBe('cat.png');
    const difference = query.map((value, i) => value - 0.5 * vectorOfCat[i]!);
    const without = await store.search(difference, 10);
    expect(await ask({ text: 'a cup of coffee', not: 'a photo of a cat', top: 10 })).toEqual(
      without.map(({ path }) => path.split('/').at(-1)),
    );
  });
  let vectorOfCat: Float32Array;
  beforeAll(async () => {
    vectorOfCat = await clip.encodeText('a photo of a cat');
  });

  it('filters by path, day and similarity, and refuses what it does not know', async () => {
    expect((await ask({ text: 'a', path: 'C.*', top: 10 })).length).toBe(0);
    expect(await ask({ text: 'a', path: 'COIN' })).toEqual(['coins.png']);
    const years = await server.post('/search', { text: 'a', after: '2022-01-01', before: '2024-01-01' });
    expect(years.json.photos.map(({ modified }: { modified: string }) => modified.slice(0, 4)).sort()).toEqual([
      '2022',
      '2023',
    ]);
    expect(await ask({ text: 'a photo of a cat', least: 0.25 })).toEqual(['cat.png']);
    for (const body of [
      {},
      { text: 'a', top: 0 },
      { text: 'a', after: 'yesterday' },
      { photo: 'x' },
      { text: 'a', k: 3 },
    ]) {
      expect((await server.post('/search', body)).status).toBe(400);
    }
    expect((await server.post('/search', { photo: 999 })).status).toBe(404);
  });

  it('asks the index for an approximate answer only if it is told to', async () => {
    const search = vi.spyOn(store, 'search');
    await ask({ text: 'a' });
    await ask({ text: 'a', approximate: true });
    expect(search.mock.calls.map(([, , options]) => options?.approximate)).toEqual([false, true]);
    search.mockRestore();
    expect((await server.post('/search', { text: 'a', approximate: 'yes' })).status).toBe(400);
  });

  it('prepares a picture as those of the index were', async () => {
    const lying = turned(photoFile('rocket.jpg'));
    const create = { model: clip, dimension: clip.config.embedDim, pictures: { orient: true, scaled: false } };
    const upright = await openPhotos(join(folder, 'upright.db'), { create });
    const other = await served(clip, { photos: upright });
    try {
      const vector = await clip.encodeImage(lying, { orient: true });
      await upright.change({ add: [{ path: '/rocket.jpg', size: 1, mtime: 1, hash: '1', vector }] });
      const { json } = await other.post('/search', { image: dataUri(lying), text: undefined });
      expect(json.photos[0].similarity).toBe((await upright.search(vector, 1))[0]!.similarity);
      const plain = await clip.encodeImage(lying); // of other pixels
      expect((await upright.search(plain, 1))[0]!.similarity).toBeLessThan(0.99);
      // Whoever asks for a vector gets that of a plain call.
      const [asked] = (await other.post('/v1/embeddings', { input: { image: dataUri(lying) } })).json.data;
      expect(Float32Array.from(asked.embedding)).toEqual(plain);
    } finally {
      await other.close();
      await upright.close();
    }
  });

  it('shows thumbnails, made once, and the photos of the index alone', async () => {
    const [photo] = await store.photos();
    const first = await server.ask(`/photos/${photo!.id}/thumbnail`);
    expect([first.status, first.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(first.headers.get('cache-control')).toMatch(/immutable/);
    const file = join(thumbnails, `${photo!.hash}-240.png`);
    expect(existsSync(file)).toBe(true);
    const kept = readFileSync(file);
    writeFileSync(file, kept.subarray(0, 50));
    expect((await server.ask(`/photos/${photo!.id}/thumbnail`)).headers.get('content-length')).toBe('50');
    writeFileSync(file, kept);
    for (const id of ['0', '999', '-1', '..%2F..%2Fetc%2Fpasswd', '1e3']) {
      expect((await server.ask(`/photos/${id}`)).status).toBe(404);
    }
  });
});

describe('the page', () => {
  it.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
  ] as [string, Looks][])('%s: searches by words, looks at a photo, finds similar ones', async (name, looks) => {
    const { page, faults } = await opened(server.url, looks);
    await page.getByText(`${names.length} photos`).waitFor();
    await page.getByLabel('Words').fill('a photo of a cat');
    await page.keyboard.press('Enter');
    await page.locator('#photos img[src^="blob:"]').first().waitFor();
    expect((await found(page))[0]).toBe('cat.png');
    await look(page, `${name}-search`);
    const width = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(width).toBe(0); // nothing stands out at the side
    expect(await contrast(page)).toEqual([]);
    await page.locator('#photos button').first().click();
    await page.locator('dialog img[src^="blob:"]').waitFor();
    await look(page, `${name}-photo`);
    expect(await contrast(page)).toEqual([]);
    await page.keyboard.press('ArrowRight');
    await page.getByRole('heading', { name: 'coffee.png' }).waitFor();
    await page.getByRole('button', { name: 'Previous' }).click();
    await page.getByRole('heading', { name: 'cat.png' }).waitFor();
    expect(await page.getByRole('button', { name: 'Previous' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Similar photos' }).click();
    await page.waitForFunction(() => document.querySelector('#photos .score')?.textContent === '1.000');
    expect((await found(page))[0]).toBe('cat.png');
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('searches by a dropped photo, with filters', async () => {
    const { page, faults } = await opened(server.url);
    await page.locator('#search-drop').waitFor();
    const bytes = Buffer.from(photoFile('rocket.jpg')).toString('base64');
    const transfer = await page.evaluateHandle(async (data) => {
      const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], 'rocket.jpg', { type: 'image/jpeg' }));
      return transfer;
    }, bytes);
    await page.dispatchEvent('#search-drop', 'drop', { dataTransfer: transfer });
    await page.getByText(`${names.length} photos`, { exact: true }).waitFor();
    expect((await found(page))[0]).toBe('rocket.jpg');
    await page.getByText('Filters').click();
    await look(page, 'filters');
    expect(await contrast(page)).toEqual([]);
    await page.getByLabel('Path contains').fill('co');
    await page.locator('#query button.main').click();
    await page.getByText('2 photos', { exact: true }).waitFor();
    expect((await found(page)).sort()).toEqual(['coffee.png', 'coins.png']);
    await page.getByLabel('Words').fill('a photo of a cat');
    await page.getByLabel('Path contains').fill('');
    await page.getByRole('button', { name: 'Remove photo' }).click();
    await page.waitForFunction(() => document.querySelector('#photos .name')?.textContent === 'cat.png');
    expect(await page.getByRole('button', { name: 'Remove photo' }).isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Clear' }).click();
    expect(await found(page)).toEqual([]);
    await page.locator('#query button.main').click();
    await page.getByText('Give words or a photo').waitFor();
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it.each(['light', 'dark'] as const)(
    'classifies with labels that are edited, by the keyboard alone (%s)',
    async (colorScheme) => {
      const { page, faults } = await opened(server.url, { colorScheme });
      await page.getByRole('tab', { name: 'Search' }).focus();
      await page.keyboard.press('ArrowRight');
      await page.locator('#classify').waitFor();
      await page.getByRole('button', { name: 'Remove dog' }).focus();
      await page.keyboard.press('Enter');
      await page.keyboard.type('cup of coffee, rocket');
      await page.keyboard.press('Enter');
      await page.locator('#classify-drop input').setInputFiles(join(PHOTOS, 'coffee.png'));
      await page.getByText(/^cup of coffee: \d/).waitFor();
      expect(await page.locator('#labels button').allTextContents()).toEqual(
        ['cat', 'person', 'car', 'food', 'landscape', 'cup of coffee', 'rocket'].map((label) => `${label} ×`),
      );
      expect(await page.locator('#bars li').count()).toBe(7);
      await look(page, `${colorScheme}-classify`);
      expect(await contrast(page)).toEqual([]);
      expect(faults).toEqual([]);
      await page.context().close();
    },
  );

  it('moves between photos by arrows, and to the words by a slash', async () => {
    const { page, faults } = await opened(server.url);
    await page.getByText(`${names.length} photos`).waitFor();
    await page.getByRole('heading', { name: 'edgeclip' }).click();
    await page.keyboard.press('/');
    await page.keyboard.type('grass');
    await page.keyboard.press('Enter');
    await page.locator('#photos button').first().focus();
    await page.keyboard.press('ArrowRight');
    const focused = () =>
      page.evaluate(() => [...document.querySelectorAll('#photos button')].indexOf(document.activeElement!));
    expect(await focused()).toBe(1);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Escape');
    await expect.poll(focused).toBe(2); // that of the photo that was looked at last
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('asks for the key where the server wants one, and says what went wrong', async () => {
    const guarded = await served(clip, { photos: store, site: await openSite(thumbnails), apiKey: 'a-key' });
    try {
      const { page } = await opened(guarded.url);
      const said = page.locator('#found');
      await page.getByLabel('This server needs a key').fill('another-key');
      const refused = page.waitForResponse('**/site.json');
      await page.getByRole('button', { name: 'Use it' }).click();
      const { message } = (await (await refused).json()).error;
      await expect.poll(() => said.textContent()).not.toBe('Working…');
      expect(await said.textContent()).toBe(message); // and stays
      await page.getByLabel('This server needs a key').fill('a-key');
      await page.getByRole('button', { name: 'Use it' }).click();
      await page.getByText(`${names.length} photos`).waitFor();
      expect(await said.textContent()).toBe('');
      await page.getByLabel('Words').fill('coffee');
      await page.keyboard.press('Enter');
      await page.locator('#photos img[src^="blob:"]').first().waitFor();
      expect((await found(page))[0]).toBe('coffee.png');
      await page.getByRole('tab', { name: 'Classify' }).click();
      await page
        .locator('#classify-drop input')
        .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('hello') });
      await page.getByText(/this is not a JPEG, PNG or WebP image/).waitFor();
      await look(page, 'fault');
      expect(await contrast(page)).toEqual([]);
      await page.context().close();
    } finally {
      await guarded.close();
    }
  });

  it('has the classify tab alone without an index', async () => {
    const plain = await served(clip, { site: await openSite(thumbnails) });
    try {
      const { page, faults } = await opened(plain.url);
      await page.locator('#classify').waitFor();
      expect(await page.getByRole('tab').count()).toBe(1);
      expect(faults).toEqual([]);
      expect((await plain.post('/search', { text: 'a' })).json.error.code).toBe('NO_INDEX');
      await page.context().close();
    } finally {
      await plain.close();
    }
  });
});

/** Texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3). */
function contrast(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    await Promise.all(document.getAnimations().map(({ finished }) => finished)); // colors change by and by
    const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = ([r, g, b]: number[]) =>
      [r!, g!, b!]
        .map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i]!, 0);
    const behind = (element: Element): number[] => {
      for (let one: Element | null = element; one; one = one.parentElement) {
        const color = parse(getComputedStyle(one).backgroundColor);
        if (color.length === 3 || color[3] === 1) return color;
      }
      return [255, 255, 255];
    };
    const low: string[] = [];
    for (const element of document.querySelectorAll('body *')) {
      const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent!.trim() !== '');
      if (!hasText || (element as HTMLElement).offsetParent === null) continue;
      const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) low.push(`${element.textContent!.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return low;
  });
}
