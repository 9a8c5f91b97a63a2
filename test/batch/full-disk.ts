/** Stands in for a disk on which the plan, but no part has room: a module that Node loads before the command. */
const MODULE = `
import { open } from 'node:fs/promises';
const handle = await open(process.execPath);
const prototype = Object.getPrototypeOf(handle);
const { writeFile } = prototype;
prototype.writeFile = function (bytes) {
  if (Buffer.from(bytes.subarray(0, 4)).toString() === 'PAR1') throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  return writeFile.call(this, bytes);
};
await handle.close();`;

export const FULL_DISK = `data:text/javascript,${encodeURIComponent(MODULE)}`;
