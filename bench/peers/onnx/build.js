// Builds the peers' ONNX files into models/. `node onnx/build.js [NAME...]`: only files whose name contains a NAME.
import { mkdirSync, writeFileSync } from 'node:fs';
import { imageTower, textTower } from './vit-b-32.js';
import { SyntheticWeights } from './weights.js';

const golden = new URL('../../../test/golden/', import.meta.url);
const models = new URL('../models/', import.meta.url);
const forms = /** @type {const} */ (['plain', 'mha', 'attention']);
const wanted = process.argv.slice(2);

mkdirSync(models, { recursive: true });
const weights = new SyntheticWeights(new URL('vit-b-32/manifest.json', golden));
for (const [tower, build] of /** @type {const} */ ([
  ['image', imageTower],
  ['text', textTower],
])) {
  for (const precision of ['f32', 'int8']) {
    for (const form of forms) {
      write(`vit-b-32-${tower}-${precision}-${form}.onnx`, () => build({ weights, int8: precision === 'int8', form }));
    }
  }
}

function write(name, build) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) return;
  const bytes = build();
  writeFileSync(new URL(name, models), bytes);
  console.log(`${name}  ${(bytes.length / 1e6).toFixed(1)} MB`);
}
