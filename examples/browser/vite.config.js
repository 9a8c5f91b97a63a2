import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes the names of all built files into the service worker, and a version that changes with any of them. */
const offline = {
  name: 'offline',
  apply: 'build',
  writeBundle({ dir }) {
    const script = join(dir, 'service-worker.js');
    const files = readdirSync(dir, { recursive: true })
      .filter((name) => statSync(join(dir, name)).isFile() && join(dir, name) !== script)
      .map((name) => name.replaceAll('\\', '/'))
      .sort();
    const hash = createHash('sha256');
    for (const name of files) hash.update(name).update(readFileSync(join(dir, name)));
    const text = readFileSync(script, 'utf8')
      .replace("'VERSION'", JSON.stringify(hash.digest('hex').slice(0, 16)))
      .replace("['FILES']", JSON.stringify(files.map((name) => (name === 'index.html' ? './' : name))));
    writeFileSync(script, text);
  },
};

export default {
  base: './',
  build: { assetsInlineLimit: 0 }, // no data: addresses, which a strict policy forbids
  plugins: [offline],
};
