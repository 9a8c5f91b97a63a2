import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';

const CONFIG = {
  model_cfg: {
    embed_dim: 512,
    quick_gelu: true,
    vision_cfg: { image_size: 224, layers: 12, width: 768, patch_size: 32 },
    text_cfg: { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 },
  },
};

/**
 * The synthetic ViT-B/32 as a model directory in OpenCLIP's layout, for edgeclip: the same weights as the ONNX graphs.
 * @param {URL} directory @param {import('./weights.js').SyntheticWeights} weights
 */
export function writeOpenClip(directory, weights) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(new URL('open_clip_config.json', directory), JSON.stringify(CONFIG, null, 2));
  const header = {};
  let offset = 0;
  for (const [name, { shape }] of weights.tensors) {
    const length = 4 * shape.reduce((product, dim) => product * dim, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + length] };
    offset += length;
  }
  const json = JSON.stringify(header);
  const padded = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  const file = openSync(new URL('open_clip_model.safetensors', directory), 'w');
  writeSync(file, size);
  writeSync(file, padded);
  for (const name of weights.tensors.keys()) writeSync(file, new Uint8Array(weights.get(name).buffer));
  closeSync(file);
}
