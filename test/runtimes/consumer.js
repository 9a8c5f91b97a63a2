// Folders in which the packed package is installed as a user would.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pack } from '../../scripts/pack.js';
import { FILES } from './suite.js';

const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));

/** Packs and installs once; `folder(name)` gives a copy. `remove()` deletes all of them. */
export function consumers() {
  const root = mkdtempSync(join(tmpdir(), 'edgeclip consumers '));
  const installed = join(root, 'installed');
  mkdirSync(installed);
  const { filename, size } = pack(root);
  writeFileSync(join(installed, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const tarball = join(root, filename);
  const install = ['install', '--no-audit', '--no-fund', '--silent', tarball];
  execFileSync('npm', install, { cwd: installed, stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    size,
    tarball,
    folder(name) {
      const folder = join(root, name);
      cpSync(installed, folder, { recursive: true });
      return folder;
    },
    remove: () => rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }),
  };
}

/** Copies the suite's pictures to `files` in a folder. */
export function copyPictures(folder) {
  for (const name of FILES) {
    const target = join(folder, 'files', name);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(GOLDEN, name), target);
  }
}

/** Copies files beside a module into a folder. */
export function copyBeside(module, names, folder) {
  for (const name of names) cpSync(fileURLToPath(new URL(name, module)), join(folder, name.split('/').at(-1)));
}
