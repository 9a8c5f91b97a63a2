// Runs the cases of test/runtimes in Chromium, in a cross-origin isolated page and in a plain one, and holds the bits against
// this Node's. `CHROMIUM` names another browser of its kind; Debian's package is called chromium.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as edgeclip from '../../dist/index.js';
import { runCases } from '../runtimes/cases.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};
const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const PATIENCE_MS = 180_000;

/** Opens page.html, served from this folder with these headers, and waits for what it posts. */
async function inBrowser(headers) {
  let tell;
  const told = new Promise((resolve) => {
    tell = resolve;
  });
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      let body = '';
      for await (const piece of request) body += piece;
      response.writeHead(204).end();
      tell(JSON.parse(body));
      return;
    }
    const path = join(ROOT, normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname)));
    if (!path.startsWith(ROOT) || !existsSync(path) || !statSync(path).isFile()) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': statSync(path).size, ...headers });
    createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  const profile = mkdtempSync(join(tmpdir(), 'edgeclip-browser-'));
  const address = `http://localhost:${server.address().port}/test/browser/page.html`;
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    `--user-data-dir=${profile}`,
  ];
  const browser = spawn(process.env.CHROMIUM ?? 'chromium', [...flags, address], { stdio: 'ignore', detached: true });
  const failed = new Promise((_, reject) => {
    browser.once('error', reject);
    browser.once('exit', (code) => reject(new Error(`the browser ended with ${code} before the page answered`)));
    setTimeout(() => reject(new Error('the page did not answer')), PATIENCE_MS).unref();
  });
  try {
    return await Promise.race([told, failed]);
  } finally {
    browser.removeAllListeners('exit');
    const gone = new Promise((resolve) => browser.once('exit', resolve));
    process.kill(-browser.pid, 'SIGKILL'); // its helpers too, which write into the profile
    await gone;
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

const read = async (name) => new Uint8Array(await readFile(new URL(`../golden/${name}`, import.meta.url)));
const here = await runCases(edgeclip, read);

const isolated = await inBrowser(ISOLATED);
assert.equal(isolated.error, undefined);
let same = 0;
for (const [variant, found] of Object.entries(isolated.cases)) {
  // Node 20 has no relaxed build: there, the plain one says what it must give.
  const expected = here[variant] === 'unsupported' ? here[variant.replace('relaxed', 'simd')] : here[variant];
  assert.deepEqual(found, expected, variant);
  same++;
}
assert.equal(same, Object.keys(here).length);

const plain = await inBrowser({});
assert.equal(plain.error, undefined);
assert.equal(plain.threads.count, 1);
assert.match(plain.threads.reason, /not cross-origin isolated/);
assert.equal(plain.missing.code, 'CONFIG');
console.log(`Chromium: ${same} variants have this Node's bits; without isolation: ${plain.threads.reason}`);
