const { readFile } = require('node:fs/promises');
const { loadClip } = require('edgeclip');

import('./answer.js').then(({ answer }) => answer(loadClip, readFile)).then((labels) => console.log(labels));
