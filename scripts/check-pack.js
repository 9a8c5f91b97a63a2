// What `npm pack` would put into the tarball: dist, weights, and four files beside them; nothing else.
import { execSync } from 'node:child_process';

const [{ files, size, unpackedSize }] = JSON.parse(
  execSync('npm pack --dry-run --json --ignore-scripts', { encoding: 'utf8' }),
);
const allowed = /^(dist\/|weights\/default\/|(README\.md|LICENSE|NOTICE|package\.json)$)/;
const strangers = files.map(({ path }) => path).filter((path) => !allowed.test(path));
if (strangers.length > 0) {
  console.error(`not to be published: ${strangers.join(', ')}`);
  process.exit(1);
}
console.log(`${files.length} files, ${size} bytes packed, ${unpackedSize} unpacked`);
