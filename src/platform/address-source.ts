/** A file at an address as a source, fetched as a whole. */
import { bytesSource, type Source } from '../weights/source.ts';
import { readAddress } from './fetched.ts';

export const addressSource = async (address: string): Promise<Source> =>
  bytesSource(await readAddress(address), address);
