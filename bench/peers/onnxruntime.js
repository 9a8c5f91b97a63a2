// Both packages of onnxruntime have one interface, so this is the contestant for either.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { modelFile, paddedBatches, pictureInput, readIds } from './tasks.js';

const BATCHES = [1, 8, 32];

/**
 * @param {'web' | 'node'} engine
 * @param {import('./tasks.js').Task} task
 * @param {{ ids?: string, form?: string, padding?: 'all' | 'batch' }} options
 */
export async function open(engine, task, { ids, form, padding = 'all' }) {
  const ort = (await import(engine === 'web' ? 'onnxruntime-web' : 'onnxruntime-node')).default;
  const session = await createSession(ort, engine, modelFile(task, form), task.threads);
  const tensor = ({ type, data, dims }) => new ort.Tensor(type, data, dims);
  const version = `onnxruntime-${engine} ${ort.env.versions[engine] ?? ort.env.versions.common}`;
  if (task.tower !== 'text') {
    const { name, input } = pictureInput(task);
    const feeds = { [name]: tensor(input) };
    const run = async () => (await session.run(feeds)).image_embeds.data;
    return { version, detail: form ?? '', run, first: run };
  }
  if (!ids) throw new Error('the text task needs a file of ids');
  const rows = readIds(ids);
  const pass = async (inputs) => {
    let embeddings;
    for (const input of inputs) {
      const { text_embeds } = await session.run({ input_ids: tensor(input) });
      embeddings ??= text_embeds.data.slice(0, text_embeds.dims[1]);
    }
    return embeddings;
  };
  const batch = await bestBatch(rows, padding, pass);
  const inputs = paddedBatches(rows, batch, padding);
  const detail = [`batch ${batch}`, padding === 'all' ? '' : 'padded by batch', form ?? ''].filter(Boolean).join(', ');
  return { version, detail, run: () => pass(inputs), first: () => pass(inputs.slice(0, 1)) };
}

export async function createSession(ort, engine, file, threads) {
  const shared = { graphOptimizationLevel: /** @type {const} */ ('all'), logSeverityLevel: /** @type {const} */ (3) };
  if (engine === 'node') {
    return ort.InferenceSession.create(fileURLToPath(file), {
      ...shared,
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    });
  }
  // Read before the first session: the number of threads is fixed when the wasm module starts.
  ort.env.wasm.numThreads = threads;
  return ort.InferenceSession.create(await readFile(file), { ...shared, executionProviders: ['wasm'] });
}

// Each peer is measured at the batch that suits it: the least time over 32 labels, after a warm-up.
async function bestBatch(rows, padding, pass) {
  const longest = Math.max(...rows.map((row) => row.length));
  const sample = [...rows.filter((row) => row.length === longest).slice(0, 1), ...rows].slice(0, 32);
  let best = { batch: BATCHES[0], ms: Number.POSITIVE_INFINITY };
  for (const batch of BATCHES) {
    const inputs = paddedBatches(sample, batch, padding);
    await pass(inputs);
    const start = performance.now();
    await pass(inputs);
    const ms = performance.now() - start;
    if (ms < best.ms) best = { batch, ms };
  }
  return best.batch;
}
