/**
 * Stands in for a slow disk: a module that Node loads before the command. Pictures are opened one by one, 40 ms after each other, so that a
 * test can stop a run in its middle.
 */
const MODULE = `
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
const { open } = fs;
let last = Promise.resolve();
fs.open = async (path, ...rest) => {
  if (/\\.(png|jpg)$/.test(String(path))) await (last = last.then(() => pause(40)));
  return open(path, ...rest);
};
syncBuiltinESMExports();`;

export const SLOW_PICTURES = `data:text/javascript,${encodeURIComponent(MODULE)}`;
