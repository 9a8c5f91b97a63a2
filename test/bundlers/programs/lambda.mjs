import { readFile } from 'node:fs/promises';
import { loadClip } from 'edgeclip';
import { answer } from './answer.js';

export const handler = () => answer(loadClip, (file) => readFile(new URL(file, import.meta.url)));
