/** Makes folders: Node 20's own `mkdir` with `recursive` never returns where the system says that there is no such folder, as in /proc. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { toPath } from '../file-name.ts';

/**
 * Makes a folder and those above it, as far as they are not there.
 * @throws the file system's error
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = resolve(path); ; at = dirname(at)) {
    const found = await stat(toPath(at)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    if (found && !found.isDirectory()) throw Object.assign(new Error('it is a file'), { code: 'ENOTDIR' });
    if (found) break;
    missing.push(at);
    if (dirname(at) === at) break;
  }
  for (const folder of missing.reverse()) {
    await mkdir(toPath(folder)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error; // another process was faster
    });
  }
}
