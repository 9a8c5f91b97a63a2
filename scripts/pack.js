// Makes the tarball that is published: `npm pack` of a copy whose package.json and README.md leave out what belongs to the clone.
// With a `prepare` script in it, npm 11 would warn everyone who installs the tarball. node scripts/pack.js [FOLDER], default here
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packedReadme } from './packed-readme.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FILES = ['dist', 'weights/default', 'examples/cat.png', 'README.md', 'LICENSE', 'NOTICE'];

/** @returns what npm says of the tarball: { filename, files, size, unpackedSize } */
export function pack(folder) {
  const copy = mkdtempSync(join(tmpdir(), 'edgeclip-pack-'));
  try {
    for (const file of FILES) cpSync(join(ROOT, file), join(copy, file), { recursive: true });
    const { scripts, devDependencies, imports, ...published } = JSON.parse(readFileSync(join(ROOT, 'package.json')));
    writeFileSync(join(copy, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
    writeFileSync(join(copy, 'README.md'), packedReadme(readFileSync(join(ROOT, 'README.md'), 'utf8')));
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', resolve(folder)];
    const output = execFileSync('npm', args, { cwd: copy, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    return JSON.parse(output)[0];
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { filename, size, unpackedSize } = pack(process.argv[2] ?? '.');
  console.log(`${filename}: ${size} bytes, ${unpackedSize} unpacked`);
}
