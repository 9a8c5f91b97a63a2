import { fetchedFiles, loadClip } from 'edgeclip/core';
import simd from 'edgeclip/kernels-simd.wasm?module';
import pictures from 'edgeclip/pictures.wasm?module';
import webp from 'edgeclip/webp.wasm?module';

async function load({ url }) {
  const files = fetchedFiles(`${new URL(url).origin}/model/`);
  return Response.json((await loadClip(files, { towers: ['image'], wasm: { simd, pictures, webp } })).config.embedDim);
}
addEventListener('fetch', (event) => event.respondWith(load(event.request)));
