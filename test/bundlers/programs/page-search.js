import { loadClip } from 'edgeclip';
import { found } from './found.js';
import { post, read } from './web.js';

post(found(loadClip, read));
