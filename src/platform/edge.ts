/** What edge runtimes share: one thread, a clock that stands still while code runs, and no files. */
import type { StartThread } from './platform.ts';

export { directoryFiles, readAddress, readFileUrl } from './fetched.ts';

export const clockRuns = (): boolean => false;
export const distrustRelaxed = (): string | undefined => undefined;
export const processors = (): number => 1;
export const maySleep = (): boolean => false;
export const noThreads = (): string | undefined => 'this runtime has no worker threads';
export const startThread: StartThread = () => {
  throw new Error(noThreads());
};
