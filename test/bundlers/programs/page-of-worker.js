import { post } from './web.js';

const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
post(
  new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(`the worker failed: ${message}`));
  }),
);
