// Built by the Next.js of test/bundlers, and its standalone server asked, by HTTP and by its page in Chromium.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { freePort } from '../free-port.js';
import { withMissingWeights } from './missing-weights.js';
import { node, run } from './runtime.js';
import { serve } from './server.js';
import { checkService, PHOTOS } from './service.js';

const { dependencies } = JSON.parse(readFileSync(new URL('../bundlers/package.json', import.meta.url)));

export default async function next({ folder, expected }) {
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json')));
  const tarball = lock.packages['node_modules/edgeclip'].resolved;
  const packages = ['next', 'react', 'react-dom'].map((name) => `${name}@${dependencies[name]}`);
  await run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--silent', '--prefer-offline', tarball, ...packages],
    folder,
  );
  await run('npm', ['run', 'build'], folder);
  const built = join(folder, '.next/standalone');
  const start = async () => {
    const PORT = String(await freePort());
    const server = await serve(node, ['server.js'], built, { PORT, HOSTNAME: '127.0.0.1' });
    return { ...server, base: `${server.base}/api` };
  };
  const weights = readdirSync(built, { recursive: true }).filter((path) => /(?:^|\/)image\.[\w.~-]*bin$/.test(path));
  assert.equal(weights.length, 1, `the image tower is there once: ${weights}`);
  const { server, checks } = await withMissingWeights(built, weights[0], start);
  try {
    const served = await checkService(server.base, { expected, root: false });
    const ask = (query) => fetch(`${server.base}/classify?${query}`, { method: 'POST', body: PHOTOS.rocket });
    const { labels } = await (await ask('label=horse&label=dog&label=rocket&label=dog&top=2')).json();
    assert.deepEqual(labels.map(({ label }) => label)[0], 'rocket');
    assert.equal(labels.length, 2);
    const tooMany = await ask(Array.from({ length: 51 }, (_, i) => `label=${i}`).join('&'));
    assert.equal(tooMany.status, 400);
    assert.equal((await tooMany.json()).error, 'LABELS');
    await usePage(new URL('/', server.base).href);
    return { checks: checks + served + 3, runtime: `Next.js ${dependencies.next}` };
  } finally {
    await server.stop();
  }
}

/** Chooses a photo in Chromium and asks for the ranking. */
async function usePage(address) {
  const browser = await puppeteer.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(180_000);
    await page.goto(address, { waitUntil: 'networkidle0' });
    const input = await page.$('input[type=file]');
    await input.uploadFile(fileURLToPath(new URL('../golden/photos/rocket.jpg', import.meta.url)));
    await page.click('button');
    await page.waitForSelector('li');
    const bars = await page.$$eval('li', (all) => all.map(({ textContent }) => textContent));
    assert.equal(bars.length, 3);
    assert.match(bars[0], /^rocket, \d/);
  } finally {
    await browser.close();
  }
}
