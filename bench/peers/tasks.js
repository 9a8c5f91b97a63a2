// What is measured, and the inputs of each task for the peers. A task's `units` is what one run computes.
import { readFileSync } from 'node:fs';
import { FILE_TASKS } from './files.js';
import { CLIP, HALF, pixelValues } from './pictures.js';

const models = new URL('./models/', import.meta.url);

/**
 * @typedef {{ tower: 'image' | 'text' | 'small' | 'rn50' | 'files' | 'crop', precision: 'f32' | 'int8', threads: number,
 *   size?: import('./files.js').FileSize, file?: import('./files.js').LargeFile, scaled?: boolean }} Task
 * @typedef {{ type: 'float32' | 'int64', data: any, dims: number[] }} Input
 */

/** @returns {Task[]} */
export function allTasks() {
  const tasks = [];
  for (const tower of /** @type {const} */ (['image', 'text', 'small', 'rn50'])) {
    for (const precision of /** @type {const} */ (['int8', 'f32'])) {
      if (tower === 'text' && precision === 'f32') continue; // minutes a pass, and nobody would
      for (const threads of [1, 2]) tasks.push({ tower, precision, threads });
    }
  }
  return [...tasks, ...FILE_TASKS];
}

/** @param {Task} task */
export function taskName({ tower, precision, threads, size }) {
  return `${size ? `${tower}-${size}` : tower}/${precision}/${threads}`;
}

/** What one run of a task does. */
export function describe(/** @type {Task} */ { tower, size }) {
  if (tower === 'files') return `EfficientNet-Lite0, from the bytes of JPEGs of ${size} pixels`;
  if (tower === 'image') return 'ViT-B/32 image tower, one picture';
  if (tower === 'small') return 'EfficientNet-Lite0 image tower, one picture';
  if (tower === 'rn50') return 'RN50 image tower, one picture';
  return 'ViT-B/32 text tower, 1000 labels in one template';
}

/** @returns {URL} */
export function modelFile({ tower, precision }, form = 'plain') {
  if (tower === 'small') return new URL(`efficientnet-lite0-${precision}.onnx`, models);
  if (tower === 'rn50') return new URL(`rn50-${precision}.onnx`, models);
  return new URL(`vit-b-32-${tower}-${precision}-${form}.onnx`, models);
}

/** @returns {{ name: string, input: Input }} */
export function pictureInput({ tower }) {
  const data = pixelValues(tower === 'small' ? HALF : CLIP);
  return { name: 'pixel_values', input: { type: 'float32', data, dims: [1, 3, 224, 224] } };
}

/** @returns {number[][]} */
export function readIds(/** @type {string} */ file) {
  return JSON.parse(readFileSync(file, 'utf8')).ids;
}

/**
 * Batches as users of a general runtime make them: every row padded to the longest of all, or of its batch.
 * @param {number[][]} ids @param {number} batch @param {'all' | 'batch'} padding @returns {Input[]}
 */
export function paddedBatches(ids, batch, padding) {
  const longest = (/** @type {number[][]} */ rows) => Math.max(...rows.map((row) => row.length));
  const inputs = [];
  for (let start = 0; start < ids.length; start += batch) {
    const rows = ids.slice(start, start + batch);
    const width = longest(padding === 'all' ? ids : rows);
    const data = new BigInt64Array(rows.length * width);
    rows.forEach((row, i) => {
      row.forEach((id, j) => {
        data[i * width + j] = BigInt(id);
      });
    });
    inputs.push({ type: /** @type {const} */ ('int64'), data, dims: [rows.length, width] });
  }
  return inputs;
}
