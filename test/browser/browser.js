// Opens a page of a folder in a headless browser and waits for what it posts.
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize, sep } from 'node:path';

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};
/** A page that is not heard of for so long hangs. */
const PATIENCE_MS = 240_000;
/** A browser that asks for nothing for so long has not come up, which is not the fault of the page. */
const START_MS = 60_000;
const STARTS = 3;

export const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
/** No script but the page's own files, and WebAssembly. */
export const STRICT = {
  'Content-Security-Policy': "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
};

/** Debian's packages of these names. */
export const BROWSERS = {
  chromium: (profile, address) => [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    `--user-data-dir=${profile}`,
    address,
  ],
  'firefox-esr': (profile, address) => ['--headless', '--no-remote', '--profile', profile, address],
};

/**
 * Serves a folder with these headers; what is posted to /results ends `posted`. `heard` is what came before it: requests, and the
 * check that a page posted to /begun.
 * @param app a folder in it: for what is missing there a page comes, as from a server of an app with one page
 */
export async function serve(folder, headers = {}, app = undefined) {
  const root = join(folder, sep);
  let tell;
  const posted = new Promise((resolve) => {
    tell = resolve;
  });
  const heard = { requests: 0, at: 0, last: '', begun: '' };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    Object.assign(heard, { requests: heard.requests + 1, at: performance.now(), last: pathname });
    if (request.method === 'POST') {
      let body = '';
      for await (const piece of request) body += piece;
      response.writeHead(204).end();
      if (pathname === '/begun') heard.begun = body;
      else tell(JSON.parse(body));
      return;
    }
    const path = join(root, normalize(decodeURIComponent(pathname.replace(/\/$/, '/index.html'))));
    if (!path.startsWith(root) || !existsSync(path) || !statSync(path).isFile()) {
      const isApp = app !== undefined && path.startsWith(join(root, app, sep));
      response.writeHead(isApp ? 200 : 404, { ...(isApp && { 'Content-Type': 'text/html' }), ...headers });
      response.end(isApp ? '<!doctype html><title>The app</title>' : '');
      return;
    }
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': statSync(path).size, ...headers });
    createReadStream(path).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { address: `http://localhost:${server.address().port}/`, posted, heard, stop };
}

/**
 * Opens an address, and waits for what the page posts. A browser that does not come up is started anew; a page that does not go on
 * has failed.
 * @param server of `serve`; without `heard` if the page is another server's
 * @throws Error that says what was last heard of the page
 */
export async function open(browser, address, { posted, heard }) {
  for (let start = 1; ; start++) {
    const answer = await openOnce(browser, address, posted, heard);
    if (answer !== undefined) return answer;
    const told = `${browser} asked for nothing`;
    if (start === STARTS) throw new Error(`${told}, ${STARTS} times`);
    console.log(`${told} and is started anew`);
  }
}

/** @returns what was posted; undefined if nothing was asked for in time, or before it ended */
async function openOnce(browser, address, posted, heard) {
  const profile = mkdtempSync(join(tmpdir(), 'edgeclip-browser-'));
  // A home of its own: Firefox as root wants one that root owns.
  const child = spawn(browser, BROWSERS[browser](profile, address), {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, HOME: profile },
  });
  const from = performance.now();
  let timer;
  const silent = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (heard?.requests === 0) resolve(undefined);
      else reject(new Error(`${browser} ended with ${code ?? signal} before the page answered${last(heard)}`));
    });
    timer = setInterval(() => {
      const now = performance.now();
      if (heard?.requests === 0 && now - from > START_MS) resolve(undefined);
      else if (now - Math.max(from, heard?.at ?? 0) > PATIENCE_MS)
        reject(new Error(`the page did not answer${last(heard)}`));
    }, 1000);
  });
  try {
    return await Promise.race([posted, silent]);
  } finally {
    clearInterval(timer);
    child.removeAllListeners('exit');
    if (child.pid) {
      const isThere = child.exitCode === null && child.signalCode === null;
      const gone = isThere && new Promise((resolve) => child.once('exit', resolve));
      try {
        process.kill(-child.pid, 'SIGKILL'); // its helpers too, which write into the profile
      } catch {
        // none is left
      }
      await gone;
    }
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

function last(heard) {
  if (!heard) return '';
  const check = heard.begun ? `the check "${heard.begun}" was begun` : 'no check was begun';
  return `: ${check}, the last of ${heard.requests} requests was ${heard.last}`;
}
