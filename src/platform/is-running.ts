/** Whether another process of this machine is running. */
import { getPriority } from 'node:os';

/** Whether a process of this machine is there; if that cannot be told, it is. Its priority is what Deno tells with `--allow-sys` alone. */
export function isRunning(pid: number): boolean {
  try {
    getPriority(pid);
    return true;
  } catch (error) {
    return (error as { info?: NodeJS.ErrnoException }).info?.code !== 'ESRCH';
  }
}
