import { readFile } from 'node:fs/promises';
import { loadClip } from 'edgeclip';
import { found } from './found.js';

found(loadClip, readFile).then((labels) => console.log(labels));
