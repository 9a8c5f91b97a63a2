// Runs the suite here or in a worker, as the address asks, and posts what came out. No import map, no bundler.
import { run } from './cases.js';

const { searchParams } = new URL(location.href);
const mode = searchParams.get('mode');
const only = searchParams.get('only')?.split(',');

let worker; // of the module: Firefox collects a worker that nobody refers to

function inWorker() {
  worker = new Worker(new URL('./worker.js', import.meta.url), {
    type: 'module',
    name: JSON.stringify({ mode, only }),
  });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(`the worker failed: ${event.message}`));
  });
}

const results = await (mode === 'worker' ? inWorker() : run(mode, only)).catch((error) => ({
  error: `${error.stack ?? error}`,
}));
await fetch('/results', { method: 'POST', body: JSON.stringify({ agent: navigator.userAgent, results }) });
