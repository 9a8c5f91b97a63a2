// Builds all that the bench loads into models/: `node onnx/build.js [NAME...]`, only files whose name contains a NAME.
//   --forms        the transformer graphs in their fused form too (block.js)
//   --source FILE  real weights of the embedded model (OpenCLIP safetensors) instead of synthetic ones
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import ort from 'onnxruntime-node';
import { CLIP, HALF, pixelValues } from '../pictures.js';
import { efficientnetLite0, SyntheticEfficientNet } from './efficientnet-lite0.js';
import { RN50, VIT_B_32, writeOpenClip } from './open-clip.js';
import { rn50 } from './rn50.js';
import { imageTower, textTower } from './vit-b-32.js';
import { SafetensorsWeights, SyntheticWeights } from './weights.js';

const golden = new URL('../../../test/golden/', import.meta.url);
const models = new URL('../models/', import.meta.url);
const { values: flags, positionals: wanted } = parseArgs({
  options: { forms: { type: 'boolean', default: false }, source: { type: 'string' } },
  allowPositionals: true,
});

mkdirSync(models, { recursive: true });
const weights = new SyntheticWeights(new URL('vit-b-32/manifest.json', golden));
for (const form of /** @type {const} */ (['plain', 'fused'])) {
  if (form === 'fused' && !flags.forms) continue;
  for (const precision of ['f32', 'int8']) {
    const options = { weights, int8: precision === 'int8', form };
    await write(`vit-b-32-image-${precision}-${form}.onnx`, () => imageTower(options));
    await write(`vit-b-32-text-${precision}-${form}.onnx`, () => textTower(options));
  }
}

const lite = flags.source ? new SafetensorsWeights(flags.source) : new SyntheticEfficientNet();
await write('efficientnet-lite0-f32.onnx', () => efficientnetLite0({ weights: lite }));
await write('efficientnet-lite0-int8.onnx', async () =>
  efficientnetLite0({ weights: lite, ranges: await ranges(efficientnetLite0({ weights: lite, watch: true }), HALF) }),
);
// Tells check.js whether these files are the published model, which has golden embeddings.
const source = new URL('efficientnet-lite0.source', models);
if (isWanted('efficientnet-lite0')) flags.source ? writeFileSync(source, '') : rmSync(source, { force: true });

const resNet = new SyntheticWeights(new URL('rn50/manifest.json', golden));
await write('rn50-f32.onnx', () => rn50({ weights: resNet }));
await write('rn50-int8.onnx', async () =>
  rn50({ weights: resNet, ranges: await ranges(rn50({ weights: resNet, watch: true }), CLIP) }),
);
if (isWanted('rn50-open-clip')) {
  writeOpenClip(new URL('rn50-open-clip/', models), RN50, resNet, 'visual.');
  console.log('rn50-open-clip/');
}

if (isWanted('vit-b-32-open-clip')) {
  const directory = new URL('vit-b-32-open-clip/', models);
  writeOpenClip(directory, VIT_B_32, weights);
  copyFileSync(new URL('clip-tokenizer/tokenizer.json', golden), new URL('tokenizer.json', directory));
  console.log('vit-b-32-open-clip/');
}

async function write(name, build) {
  if (!isWanted(name)) return;
  const bytes = await build();
  writeFileSync(new URL(name, models), bytes);
  console.log(`${name}  ${(bytes.length / 1e6).toFixed(1)} MB`);
}

function isWanted(name) {
  return wanted.length === 0 || wanted.some((part) => name.includes(part));
}

/** Calibration: least and greatest value of each activation over the synthetic picture. */
async function ranges(graph, normalization) {
  const session = await ort.InferenceSession.create(graph, { logSeverityLevel: 3 });
  const feeds = { pixel_values: new ort.Tensor('float32', pixelValues(normalization), [1, 3, 224, 224]) };
  const results = await session.run(feeds);
  await session.release();
  const found = [];
  for (let i = 0; results[`activation_${i}`]; i++) {
    let [least, greatest] = [0, 0];
    for (const value of results[`activation_${i}`].data) {
      least = Math.min(least, Number(value));
      greatest = Math.max(greatest, Number(value));
    }
    found.push([least, greatest]);
  }
  return found;
}
