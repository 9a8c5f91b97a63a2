/** What edge runtimes share: one thread, a clock that stands still while code runs, little memory, and no files. */
import { ClipError } from '../errors.ts';
import { fetchedFiles } from '../weights/fetched-files.ts';
import { noPackages } from './no-packages.ts';
import type { Script, StartThread } from './platform.ts';
import { modelsAt } from './web-models.ts';

export { readAddress, readFileUrl } from './fetched.ts';
export { decoderAddress } from './no-packages.ts';

/** Weights are streamed: as a blob, as browsers have them outside of the script's memory, they would be in it twice. */
export const modelAt = modelsAt((directory, fetch) => {
  try {
    return fetchedFiles(directory, fetch && ((address, init) => fetch(address, init)));
  } catch (cause) {
    throw new ClipError('IO', `"${directory}" is not an address that can be fetched here`, { cause });
  }
});

export const decoderPackage = noPackages('edge runtimes do not find packages by name');
export const clockRuns = (): boolean => false;
export const distrustRelaxed = (): string | undefined => undefined;
export const processors = (): number => 1;
export const maySleep = (): boolean => false;
export const noThreads = (): string | undefined => 'this runtime has no worker threads';
export const startThread: StartThread = () => {
  throw new Error(noThreads());
};
export const pictureScript = async (): Promise<Script> => startThread({}, '') as never;
