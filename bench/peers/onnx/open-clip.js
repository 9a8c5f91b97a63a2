import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';

const text_cfg = { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 };

export const VIT_B_32 = {
  embed_dim: 512,
  quick_gelu: true,
  vision_cfg: { image_size: 224, layers: 12, width: 768, patch_size: 32 },
  text_cfg,
};

export const RN50 = {
  embed_dim: 1024,
  quick_gelu: true,
  vision_cfg: { image_size: 224, layers: [3, 4, 6, 3], width: 64, patch_size: null },
  text_cfg,
};

/**
 * A synthetic model as a directory in OpenCLIP's layout, for edgeclip: the same weights as the ONNX graphs.
 * @param {URL} directory @param {object} config @param {import('./weights.js').SyntheticWeights} weights
 * @param {string} [prefix] only tensors whose names begin so
 */
export function writeOpenClip(directory, config, weights, prefix = '') {
  mkdirSync(directory, { recursive: true });
  writeFileSync(new URL('open_clip_config.json', directory), JSON.stringify({ model_cfg: config }, null, 2));
  const header = {};
  let offset = 0;
  const tensors = [...weights.tensors].filter(([name]) => name.startsWith(prefix));
  for (const [name, { shape }] of tensors) {
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
  for (const [name] of tensors) writeSync(file, new Uint8Array(weights.get(name).buffer));
  closeSync(file);
}
