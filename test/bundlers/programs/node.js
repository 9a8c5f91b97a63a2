import { readFile } from 'node:fs/promises';
import { loadClip } from 'edgeclip';
import { answer } from './answer.js';

answer(loadClip, readFile).then((labels) => console.log(labels));
