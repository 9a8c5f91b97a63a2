/**
 * A lock between our own processes (and loads within one), so that one file is fetched once: a file that is made by whoever
 * comes first. It saves work and no more: what is fetched is checked before it gets its name. A lock whose process is gone,
 * or that nobody touched for a while (another machine's, on a shared disk), is taken over.
 */

import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { isRunning } from '../platform/is-running.ts';
import { writing } from './cache.ts';
import { pause } from './client.ts';

const POLL_MS = 100;
const TOUCH_MS = 5_000;
const STALE_MS = 30_000;
/** How long its file may be empty, which it is between two calls of the system. */
const EMPTY_MS = 1_000;

/**
 * Runs `work` while holding the lock.
 * @throws ClipError IO if the lock's file cannot be written; the signal's reason if aborted while waiting
 */
export async function withLock<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  while (!(await taken(path))) {
    if (await isStale(path)) await rm(path, { force: true });
    else await pause(POLL_MS, signal);
  }
  return holding(path, work);
}

/**
 * Runs `work` with the lock if nobody has it.
 * @throws ClipError IO if the lock's file cannot be written
 */
export async function withFreeLock(path: string, work: () => Promise<void>): Promise<void> {
  if (await taken(path)) await holding(path, work);
}

async function holding<T>(path: string, work: () => Promise<T>): Promise<T> {
  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  touch.unref?.();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    await rm(path, { force: true }).catch(() => {});
  }
}

/** Whether the lock is ours now. */
async function taken(path: string): Promise<boolean> {
  return writing(path, async () => {
    try {
      await writeFile(path, `${process.pid} ${hostname()}`, { flag: 'wx' });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      await rm(path, { force: true }).catch(() => {}); // on a full disk it is there, and empty
      throw error;
    }
  });
}

async function isStale(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return false;
  const age = Date.now() - found.mtimeMs;
  if (age > STALE_MS || (found.size === 0 && age > EMPTY_MS)) return true;
  const [pid, ...host] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
  return host.join(' ') === hostname() && !isRunning(Number(pid));
}
