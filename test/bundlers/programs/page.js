import { loadClip } from 'edgeclip';
import { answer } from './answer.js';
import { post, read } from './web.js';

post(answer(loadClip, read));
