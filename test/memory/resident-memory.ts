/** Resident memory of this process, to see whether it grows. */
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Resident bytes once garbage is collected: the least of some looks, since freed pages go back late. */
export async function residentBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 6; look++) {
    collect();
    await pause(50);
    least = Math.min(least, process.memoryUsage.rss());
  }
  return least;
}
