// Built by the Next.js of test/bundlers, and its standalone server asked, by HTTP and by its page in Chromium.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { withMissingWeights } from './missing-weights.js';
import { node, run } from './runtime.js';
import { serve } from './server.js';
import { PHOTOS } from './service.js';

const { dependencies } = JSON.parse(readFileSync(new URL('../bundlers/package.json', import.meta.url)));
const { cat, rocket } = PHOTOS;

/** Bad requests: what, query, request, status, code. */
const REFUSED = [
  ['a text', '', { body: 'hello' }, 415, 'IMAGE_FORMAT'],
  ['nothing', '', { body: '' }, 415, 'IMAGE_FORMAT'],
  ['100 bytes of a JPEG', '', { body: rocket.subarray(0, 100) }, 400, 'IMAGE_TRUNCATED'],
  ['half of a PNG', '', { body: cat.subarray(0, cat.length >> 1) }, 400, 'IMAGE_TRUNCATED'],
  ['too many bytes', '', { body: Buffer.concat([rocket, Buffer.alloc(10_000_000)]) }, 413, 'IMAGE_TOO_LARGE'],
  ['no number of labels', '?top=none', { body: cat }, 400, 'TOP'],
  ['too many labels', `?${Array.from({ length: 51 }, (_, i) => `label=${i}`).join('&')}`, { body: cat }, 400, 'LABELS'],
  ['another method', '', { method: 'PUT', body: cat }, 405, 'METHOD'],
  ['another method', '', { method: 'GET' }, 405, 'METHOD'],
];

export default async function next({ folder }) {
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
    const server = await serve(node, ['server.js'], built, { PORT: '5197', HOSTNAME: '127.0.0.1' });
    return { ...server, base: `${server.base}/api` };
  };
  const weights = readdirSync(built, { recursive: true }).filter((path) => /(?:^|\/)image\.[\w.~-]*bin$/.test(path));
  assert.equal(weights.length, 1, `the image tower is there once: ${weights}`);
  const { server, checks } = await withMissingWeights(built, weights[0], start);
  try {
    const ask = (query, init) => fetch(`${server.base}/classify${query}`, { method: 'POST', ...init });
    for (const [body, label] of [
      [cat, 'cat'],
      [rocket, 'rocket'],
    ]) {
      const { labels } = await (await ask('?label=rocket&label=dog&label=cat&top=2', { body })).json();
      assert.equal(labels.length, 2);
      assert.equal(labels[0].label, label);
    }
    for (const [what, query, init, status, code] of REFUSED) {
      const response = await ask(query, init);
      const text = await response.text();
      const shown = `${what}: ${response.status} ${text.slice(0, 300)}`;
      assert.equal(response.status, status, shown);
      assert.equal(JSON.parse(text).error, code, shown);
    }
    await usePage(new URL('/', server.base).href);
    return { checks: checks + 3 + REFUSED.length, runtime: `Next.js ${dependencies.next}` };
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
