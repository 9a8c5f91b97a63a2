// Files to embeddings as a server in Node.js does it: sharp decodes and resizes, onnxruntime-node embeds; as many files at once as
// there are threads.
import { filesOf } from './files.js';
import { createSession } from './onnxruntime.js';
import { HALF } from './pictures.js';
import { modelFile } from './tasks.js';

const SIDE = 224;

/** @param {import('./tasks.js').Task} task */
export async function open(task) {
  const { default: sharp } = await import('sharp');
  sharp.concurrency(1);
  sharp.cache(false);
  const ort = (await import('onnxruntime-node')).default;
  // One session for each thread: a picture at a time in each is faster than one picture on all.
  const model = { ...task, tower: /** @type {const} */ ('small') };
  const sessions = [];
  for (let i = 0; i < task.threads; i++) sessions.push(await createSession(ort, 'node', modelFile(model), 1));
  const files = await filesOf(task.size);

  const embed = async (session, bytes) => {
    const pixels = await sharp(bytes)
      .resize(SIDE, SIDE, { fit: 'cover', kernel: 'cubic' })
      .removeAlpha()
      .raw()
      .toBuffer();
    const tensor = new ort.Tensor('float32', planes(pixels), [1, 3, SIDE, SIDE]);
    return (await session.run({ pixel_values: tensor })).image_embeds.data;
  };
  const run = async () => {
    let next = 0;
    await Promise.all(
      sessions.map(async (session) => {
        while (next < files.length) await embed(session, files[next++]);
      }),
    );
  };
  return {
    version: `sharp ${sharp.versions.sharp}, onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    detail: '',
    units: files.length,
    run,
    first: () => embed(sessions[0], files[0]),
  };
}

/** Planar, normalized. */
function planes(/** @type {Uint8Array} */ pixels) {
  const plane = SIDE * SIDE;
  const values = new Float32Array(3 * plane);
  for (let c = 0; c < 3; c++) {
    const [mean, std] = [HALF.mean[c], HALF.std[c]];
    for (let i = 0; i < plane; i++) values[c * plane + i] = (pixels[3 * i + c] / 255 - mean) / std;
  }
  return values;
}
