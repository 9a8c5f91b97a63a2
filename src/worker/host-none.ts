/** Edge runtimes, which have no workers. */

import { ClipError } from '../errors.ts';
import type { PageAddress, StartWorker } from './host.ts';

export const startWorker: StartWorker = () => {
  throw new ClipError('UNSUPPORTED', "this runtime has no Worker: import { loadClip } from 'edgeclip' instead");
};

export const pageAddress: PageAddress = () => undefined;
