/** The page in Debian's Chromium, clicked through under its strict Content-Security-Policy. Needs `npm run build`. */
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSite } from '../../../src/serve/node-site.ts';
import { contrast } from '../contrast.ts';
import { names, PHOTOS, type PhotoServer, photoServer } from '../photo-server.ts';
import { photoFile, type Served, served } from '../server.ts';

/** Where screenshots go, to be looked at: EDGECLIP_SCREENSHOTS. */
const screenshots = process.env.EDGECLIP_SCREENSHOTS;
let made: PhotoServer;
let server: Served;
let browser: Browser;

beforeAll(async () => {
  made = await photoServer();
  ({ server } = made);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await made?.remove();
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

const look = async (page: Page, name: string) => {
  if (screenshots !== undefined) await page.screenshot({ path: join(screenshots, `${name}.png`) });
};
const found = (page: Page) => page.locator('#photos .name').allTextContents();

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
  const width = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
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
  const guarded = await served(made.clip, {
    photos: made.store,
    site: await openSite(made.thumbnails),
    apiKey: 'a-key',
  });
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
  const plain = await served(made.clip, { site: await openSite(made.thumbnails) });
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
