import { loadClip } from 'edgeclip';
import { answer } from './answer.js';
import { read } from './web.js';

answer(loadClip, read)
  .catch((error) => `${error.stack ?? error}`)
  .then((labels) => postMessage(labels));
