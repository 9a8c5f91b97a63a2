import { fetchedFiles, loadClip } from 'edgeclip/core';
import simd from 'edgeclip/kernels-simd.wasm';
import pictures from 'edgeclip/pictures.wasm';
import webp from 'edgeclip/webp.wasm';
import { answer } from './answer.js';

let loading;
const load = (env) =>
  (loading ??= loadClip(
    fetchedFiles('https://assets.local/model/', (address, init) => env.ASSETS.fetch(address, init)),
    { towers: ['image'], wasm: { simd, pictures, webp } },
  ).catch((error) => {
    loading = undefined;
    throw error;
  }));

export default { fetch: (request, env) => answer(request, () => load(env)) };
