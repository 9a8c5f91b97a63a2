// `require()` of a module, as Node.js 22 has it and compilers from 5.8 on know. Only compiled, never run.
import edgeclip = require('edgeclip');

import { Classifier } from 'edgeclip/worker';

async function embed(bytes: Uint8Array): Promise<Float32Array> {
  const clip: edgeclip.Clip = await edgeclip.loadClip({ towers: ['image'] });
  // @ts-expect-error a path is no picture
  await clip.encodeImage('a.jpg');
  return clip.encodeImage(bytes);
}

export { Classifier, embed };
