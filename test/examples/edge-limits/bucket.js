import { loadClip } from 'edgeclip/core';
import simd from 'edgeclip/kernels-simd.wasm';
import pictures from 'edgeclip/pictures.wasm';
import webp from 'edgeclip/webp.wasm';
import { answer } from './answer.js';
import { bucketFiles } from './bucket-files.js';

let loads = 0;
let loading;
function load(env) {
  if (!loading) console.log(`load ${++loads}`);
  loading ??= loadClip(bucketFiles(env.MODELS, 'model/'), {
    towers: ['image'],
    wasm: { simd, pictures, webp },
  }).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

export default {
  async fetch(request, env) {
    if (request.method !== 'PUT') return answer(request, () => load(env));
    await env.MODELS.put(new URL(request.url).pathname.slice(1), request.body);
    return new Response(null, { status: 201 });
  },
};
