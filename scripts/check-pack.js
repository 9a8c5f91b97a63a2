// What is in the tarball: dist, weights, a photo, and four files beside them; nothing else. Its entries' files are all there, and
// those that its README names.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from './pack.js';
import { cloneFiles, missingNames, relativeLinks } from './packed-readme.js';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-'));
try {
  const { filename, files, size, unpackedSize } = pack(folder);
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
  const tar = ['-xzOf', join(folder, filename), 'package/README.md'];
  const readme = execFileSync('tar', tar, { encoding: 'utf8' });
  const links = relativeLinks(readme);
  if (links.length > 0) throw new Error(`README.md has relative links: ${links.join(', ')}`);
  const unknown = missingNames(readme, { clone: cloneFiles('.'), packed: paths });
  if (unknown.length > 0) throw new Error(`README.md names what is not in the package: ${unknown.join(', ')}`);
  const bytes = (prefix) =>
    files.filter(({ path }) => path.startsWith(prefix)).reduce((sum, { size }) => sum + size, 0);
  for (const part of ['weights/default/', 'dist/embedded/', 'dist/']) console.log(`${part}: ${bytes(part)} bytes`);
  console.log(`${files.length} files, ${size} bytes packed, ${unpackedSize} unpacked`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
