// Prints what cases.js finds in this runtime.
import { readFile } from 'node:fs/promises';
import * as edgeclip from '../../dist/index.js';
import { runCases } from './cases.js';

const read = async (name) => new Uint8Array(await readFile(new URL(`../golden/${name}`, import.meta.url)));
console.log(JSON.stringify(await runCases(edgeclip, read)));
