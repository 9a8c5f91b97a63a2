// What is in the tarball: dist, weights, a photo, and four files beside them; nothing else. And its entries' files are all there.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from './pack.js';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-'));
try {
  const { files, size, unpackedSize } = pack(folder);
  const paths = files.map(({ path }) => path);
  const allowed = /^(dist\/|weights\/default\/|(examples\/cat\.png|README\.md|LICENSE|NOTICE|package\.json)$)/;
  const strangers = paths.filter((path) => !allowed.test(path));
  if (strangers.length > 0) throw new Error(`not to be published: ${strangers.join(', ')}`);
  const named = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(named));
  const { exports, bin } = JSON.parse(readFileSync('package.json'));
  const missing = [...named(exports), ...named(bin)]
    .map((path) => path.slice(2))
    .filter((path) =>
      path.includes('*') ? !paths.some((found) => found.startsWith(path.split('*')[0])) : !paths.includes(path),
    );
  if (missing.length > 0) throw new Error(`exported, but not there: ${missing.join(', ')}`);
  const bytes = (prefix) =>
    files.filter(({ path }) => path.startsWith(prefix)).reduce((sum, { size }) => sum + size, 0);
  for (const part of ['weights/default/', 'dist/embedded/', 'dist/']) console.log(`${part}: ${bytes(part)} bytes`);
  console.log(`${files.length} files, ${size} bytes packed, ${unpackedSize} unpacked`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
