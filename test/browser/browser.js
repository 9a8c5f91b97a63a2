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
const PATIENCE_MS = 240_000;

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
 * Serves a folder with these headers; what is posted to /results ends `posted`.
 * @param app a folder in it: for what is missing there a page comes, as from a server of an app with one page
 */
export async function serve(folder, headers = {}, app = undefined) {
  const root = join(folder, sep);
  let tell;
  const posted = new Promise((resolve) => {
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
    const { pathname } = new URL(request.url, 'http://localhost');
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
  return { address: `http://localhost:${server.address().port}/`, posted, stop };
}

/** Opens an address, and waits for `posted`. */
export async function open(browser, address, posted) {
  const profile = mkdtempSync(join(tmpdir(), 'edgeclip-browser-'));
  // A home of its own: Firefox as root wants one that root owns.
  const child = spawn(browser, BROWSERS[browser](profile, address), {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, HOME: profile },
  });
  let timer;
  const failed = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${browser} ended with ${code} before the page answered`)));
    timer = setTimeout(() => reject(new Error('the page did not answer')), PATIENCE_MS);
  });
  try {
    return await Promise.race([posted, failed]);
  } finally {
    clearTimeout(timer);
    child.removeAllListeners('exit');
    if (child.pid && child.exitCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      process.kill(-child.pid, 'SIGKILL'); // its helpers too, which write into the profile
      await gone;
    }
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
