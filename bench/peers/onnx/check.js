// Runs the built graphs once with onnxruntime-node, compares them with the golden embeddings of float64 and tells what
// its optimizer made of each. `node onnx/check.js [NAME...]`. Exits 1 when an f32 graph is not the golden model.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ort from 'onnxruntime-node';
import { CLIP, HALF, pixelValues } from '../pictures.js';
import { countOperators } from './operators.js';

const models = new URL('../models/', import.meta.url);
const golden = new URL('../../../test/golden/', import.meta.url);
const expected = (model) => JSON.parse(readFileSync(new URL(`${model}/expected.json`, golden), 'utf8'));
const wanted = process.argv.slice(2);

for (const name of readdirSync(models).filter((file) => file.endsWith('.onnx') && !file.includes('optimized'))) {
  if (wanted.length === 0 || wanted.some((part) => name.includes(part))) await check(name);
}

async function check(name) {
  const optimized = new URL('optimized.onnx', models);
  const session = await ort.InferenceSession.create(fileURLToPath(new URL(name, models)), {
    intraOpNumThreads: 1,
    optimizedModelFilePath: fileURLToPath(optimized),
    logSeverityLevel: 3,
  });
  const cosines = await (name.includes('-text-') ? checkTexts(session) : checkImage(session, name));
  const ops = Object.entries(countOperators(optimized)).sort((a, b) => b[1] - a[1]);
  rmSync(optimized);
  await session.release();
  console.log(`${name}\n  cosine ${cosines.map((value) => value.toFixed(7)).join(' ')}`);
  console.log(`  ${ops.map(([op, count]) => `${op} ${count}`).join(', ')}`);
  if (name.includes('-f32') && cosines.some((value) => Number.isFinite(value) && value < 0.9999)) process.exitCode = 1;
}

async function checkImage(session, name) {
  const model = ['vit-b-32', 'rn50'].find((published) => name.startsWith(published)) ?? 'default';
  const pixels = new ort.Tensor('float32', pixelValues(model === 'default' ? HALF : CLIP), [1, 3, 224, 224]);
  const { image_embeds } = await session.run({ pixel_values: pixels });
  // The embedded model's weights are not in the repository; without them its graph is synthetic and has no reference.
  if (model === 'default' && !existsSync(new URL('efficientnet-lite0.source', models))) return [Number.NaN];
  return [cosine(image_embeds.data, expected(model).image_embedding)];
}

async function checkTexts(session) {
  const { token_ids, text_embeddings } = expected('vit-b-32');
  const width = Math.max(...token_ids.map((ids) => ids.length));
  const padded = BigInt64Array.from(
    token_ids.flatMap((ids) => [...ids, ...Array(width - ids.length).fill(0)]),
    BigInt,
  );
  const ids = new ort.Tensor('int64', padded, [token_ids.length, width]);
  const { text_embeds } = await session.run({ input_ids: ids });
  return text_embeddings.map((row, i) => cosine(text_embeds.data.subarray(i * row.length, (i + 1) * row.length), row));
}

function cosine(a, b) {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < b.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb);
}
