import { norm, transformer } from './block.js';
import { FLOAT, GraphBuilder, INT64, transpose } from './graph.js';

/**
 * The image tower for one picture: `pixel_values` f32 [1][3][224][224], normalized, to `image_embeds` [1][512].
 * @param {{ weights: any, int8: boolean, form: import('./block.js').Form }} options
 */
export function imageTower({ weights, int8, form }) {
  const g = new GraphBuilder('vit-b-32-image', { int8 });
  const width = 768;
  const pixels = g.input('pixel_values', FLOAT, [1, 3, 224, 224]);
  const kernel = g.floats([width, 3, 32, 32], weights.get('visual.conv1.weight'));
  const patches = g.node('Conv', [pixels, kernel], { kernel_shape: [32, 32], strides: [32, 32] }); // [1][768][7][7]
  const rows = g.node('Transpose', [g.node('Reshape', [patches, g.ints([1, width, 49])])], { perm: [0, 2, 1] });
  const token = g.floats([1, 1, width], weights.get('visual.class_embedding'));
  const positions = g.floats([50, width], weights.get('visual.positional_embedding'));
  const embedded = g.add(g.node('Concat', [token, rows], { axis: 1 }), positions); // [1][50][768]
  const x = g.layerNorm(embedded, norm(weights, 'visual.ln_pre'));
  // The published code normalizes the class token alone; over all 50 it is the same row and lets the last sum fuse.
  const normal = transformer(g, x, {
    prefix: 'visual.transformer.resblocks',
    layers: 12,
    width,
    heads: 12,
    form,
    causal: false,
    closing: 'visual.ln_post',
    weights,
  });
  const pooled = g.node('Gather', [normal, g.tensor(INT64, [], new BigInt64Array([0n]))], { axis: 1 }); // [1][768]
  const projection = transpose(weights.get('visual.proj'), width, 512);
  g.output(g.linear(pooled, { weight: projection, rows: 512, columns: width }), 'image_embeds', FLOAT, [1, 512]);
  return g.encode();
}

/**
 * The text tower: `input_ids` int64 [batch][sequence], padded on the right, to `text_embeds` [batch][512]. The end
 * token has the largest id, so argmax finds it, as in the published code.
 * @param {{ weights: any, int8: boolean, form: import('./block.js').Form }} options
 */
export function textTower({ weights, int8, form }) {
  const g = new GraphBuilder('vit-b-32-text', { int8 });
  const width = 512;
  const ids = g.input('input_ids', INT64, ['batch', 'sequence']);
  const table = g.floats([49408, width], weights.get('token_embedding.weight'));
  const length = g.node('Slice', [g.node('Shape', [ids]), g.ints([1]), g.ints([2])]);
  const positions = g.node('Slice', [
    g.floats([77, width], weights.get('positional_embedding')),
    g.ints([0]),
    length,
    g.ints([0]),
  ]);
  const x = g.add(g.node('Gather', [table, ids], { axis: 0 }), positions); // [batch][sequence][512]
  const normal = transformer(g, x, {
    prefix: 'transformer.resblocks',
    layers: 12,
    width,
    heads: 8,
    form,
    causal: true,
    sequence: 77,
    closing: 'ln_final',
    weights,
  });
  const end = g.node('ArgMax', [ids], { axis: 1, keepdims: 1 }); // [batch][1]
  const pooled = g.node('GatherND', [normal, end], { batch_dims: 1 }); // [batch][512]
  const projection = transpose(weights.get('text_projection'), width, 512);
  g.output(g.linear(pooled, { weight: projection, rows: 512, columns: width }), 'text_embeds', FLOAT, ['batch', 512]);
  return g.encode();
}
