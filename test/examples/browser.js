// examples/browser, built by Vite and used in Chromium with real clicks and keys, under a strict policy: photos are chosen and
// dropped, labels typed; the page keeps ticking while a photo is computed, fits a phone, and works with the server gone.
// EDGECLIP_SCREENSHOTS=FOLDER keeps pictures of it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import puppeteer from 'puppeteer-core';
import { serve } from '../browser/browser.js';

const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; img-src 'self' blob:";
const photo = (name) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
const vite = fileURLToPath(new URL('node_modules/vite/bin/vite.js', import.meta.url));
const PATIENCE_MS = 180_000;

export default async function run({ folder }) {
  await promisify(execFile)(process.execPath, [vite, 'build'], { cwd: folder });
  const server = await serve(join(folder, 'dist'), { 'Content-Security-Policy': POLICY });
  const profile = mkdtempSync(join(tmpdir(), 'edgeclip-example-'));
  const browser = await puppeteer.launch({
    executablePath: '/usr/bin/chromium',
    userDataDir: profile,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  });
  try {
    return { ...(await use(browser, server)), runtime: await browser.version() };
  } finally {
    await browser.close();
    server.stop();
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

async function use(browser, server) {
  let checks = 0;
  const check = (condition, message) => {
    assert.ok(condition, message);
    checks++;
  };
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.setViewport({ width: 1280, height: 900 });
  // What the line says, from the beginning on.
  await page.evaluateOnNewDocument(() => {
    globalThis.said = [];
    new MutationObserver(() => {
      const text = document.getElementById('status')?.textContent;
      if (text && said.at(-1) !== text) said.push(text);
    }).observe(document, { childList: true, subtree: true, characterData: true });
  });
  const text = (id) => page.$eval(`#${id}`, (element) => element.textContent);
  const until = (pattern) =>
    page
      .waitForFunction((source) => new RegExp(source).test(document.getElementById('status').textContent), {}, pattern) // biome-ignore format: one line
      .catch(async () => assert.fail(`expected ${pattern}, the page says: ${await text('status')} ${await text('error')}`)); // biome-ignore format: one line
  const keep = async (name) => {
    const folder = process.env.EDGECLIP_SCREENSHOTS;
    // Until the bars have grown.
    await page.evaluate(
      async () => void (await Promise.allSettled(document.getAnimations().map((one) => one.finished))),
    );
    if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  };
  const pick = async (name) => {
    const [chooser] = await Promise.all([page.waitForFileChooser(), page.click('#drop')]);
    await chooser.accept([photo(name)]);
  };

  await page.goto(server.address);
  await until('^Choose a photo');
  const steps = new Set((await page.evaluate(() => said)).filter((line) => /^Loading the model: \d+ %/.test(line)));
  check(steps.size >= 3, `progress while the weights load: ${[...steps]}`);
  await keep('desktop-empty');

  await pick('cat.png');
  await until('^cat, \\d');
  await keep('desktop-cat');
  const bars = await page.$$eval('#ranking .bar i', (all) => all.map((bar) => bar.getBoundingClientRect().width));
  check(bars.length === 6 && bars[0] > 3 * bars[1], `six bars, the first the longest: ${bars}`);

  // Labels by keyboard: Tab leads from the photo to them.
  await page.focus('#file');
  await page.keyboard.press('Tab');
  check((await page.evaluate(() => document.activeElement.id)) === 'labels', 'Tab leads to the labels');
  await page.keyboard.down('Control');
  await page.keyboard.press('a');
  await page.keyboard.up('Control');
  await page.keyboard.type('teapot\nbicycle\nsmall furry animal, with "whiskers"');
  await until('^small furry animal, with "whiskers", \\d');
  check((await page.$$('#ranking li')).length === 3, 'three labels');

  // Dropped anywhere on the page, as a mouse does it.
  await page.$eval('#labels', (labels) => labels.select());
  await page.keyboard.type('cat\ngalaxies in the sky\ncup of coffee');
  await until('^cat, \\d');
  await dropFile(page, photo('galaxies.jpg'));
  await until('^galaxies in the sky, \\d');
  checks++;

  // A photo that is none: the reason, and the next one works.
  await dropFile(page, fileURLToPath(new URL('../../package.json', import.meta.url)));
  await until('cannot be read');
  check(/not a JPEG, PNG or WebP/.test(await text('error')), 'the reason is shown');
  await keep('desktop-error');
  await pick('coffee.png');
  await until('^cup of coffee, \\d');
  check(await page.$eval('#error', (error) => error.hidden), 'the reason is gone');

  const turning = await largePhoto(page);
  check(turning.ticks > 5 && turning.longest < turning.ms / 2, `the page turns: ${JSON.stringify(turning)}`);
  check(turning.frames >= 1, `frames are drawn: ${JSON.stringify(turning)}`);

  const nameless = await page.$$eval('input, textarea, progress, img:not([hidden]), ol', (all) =>
    all
      .filter((element) => !element.labels?.length && !element.getAttribute('aria-label') && !element.alt)
      .map(({ outerHTML }) => outerHTML),
  );
  check(nameless.length === 0, `everything has a name: ${nameless}`);
  check(
    await page.$eval('#status', (status) => status.getAttribute('aria-live') === 'polite'),
    'results are announced',
  );

  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
  await keep('desktop-dark');
  await page.setViewport({ width: 390, height: 844, isMobile: true, hasTouch: true }); // loads the page again
  await until('^Choose a photo');
  await keep('phone-empty');
  await pick('cat.png');
  await until('^cat, \\d');
  const { width, bottom } = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    bottom: document.getElementById('status').getBoundingClientRect().bottom,
  }));
  check(width <= 390 && bottom <= 844, `on a phone nothing is cut, and the answer is in sight: ${width}, ${bottom}`);
  await keep('phone-dark');
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  await keep('phone-light');

  // The server is gone, and with it the browser's own cache: what is left is what the page kept.
  await page.waitForFunction(() => /offline/.test(document.getElementById('offline').textContent));
  server.stop();
  await page.setCacheEnabled(false);
  await page.reload();
  await until('^Choose a photo');
  await pick('rocket.jpg');
  await until('^rocket, \\d');
  await keep('offline');
  checks++;
  assert.deepEqual(problems, [], 'errors on the console');
  const { ms, ticks, frames, longest } = turning;
  const note = `12 megapixels: ${ms.toFixed()} ms, ${ticks} ticks of 4 ms, ${frames} frames, longest gap ${longest.toFixed()} ms`;
  return { checks: checks + 1, notes: [note] };
}

/** Drags a file onto the page, by the browser's own events. */
async function dropFile(page, path) {
  const session = await page.createCDPSession();
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await session.send('Input.dispatchDragEvent', { type, x: 300, y: 400, data });
  }
  await session.detach();
}

/** Pastes a photo of 12 megapixels, and watches timers and frames until it is ranked. */
function largePhoto(page) {
  return page.evaluate(async () => {
    const canvas = new OffscreenCanvas(4000, 3000);
    const context = canvas.getContext('2d');
    for (let x = 0; x < 4000; x += 50) {
      context.fillStyle = `hsl(${x / 10} 80% 50%)`;
      context.fillRect(x, 0, 50, 3000);
    }
    const photo = new File([await canvas.convertToBlob({ type: 'image/jpeg' })], 'large.jpg', { type: 'image/jpeg' });
    const clipboardData = new DataTransfer();
    clipboardData.items.add(photo);
    let [ticks, frames, longest, last] = [0, 0, 0, performance.now()];
    const timer = setInterval(() => {
      ticks++;
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 4);
    const draw = () => {
      frames++;
      next = requestAnimationFrame(draw);
    };
    let next = requestAnimationFrame(draw);
    const from = performance.now();
    dispatchEvent(new ClipboardEvent('paste', { clipboardData }));
    while (document.querySelectorAll('#ranking li').length === 0)
      await new Promise((resolve) => setTimeout(resolve, 4));
    clearInterval(timer);
    cancelAnimationFrame(next);
    return { ms: performance.now() - from, ticks, frames, longest };
  });
}
