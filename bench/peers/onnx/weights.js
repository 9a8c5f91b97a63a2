import { readFileSync } from 'node:fs';

/**
 * Synthetic weights by the formula of test/golden/README.md: the same manifest makes the same model here, in the
 * package's tests and in PyTorch.
 */
export class SyntheticWeights {
  /** @param {URL} manifest */
  constructor(manifest) {
    const { tensors } = JSON.parse(readFileSync(manifest, 'utf8'));
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  shape(name) {
    return this.#find(name).shape;
  }

  /** @returns {Float32Array} */
  get(name) {
    const { shape, mean, amplitude } = this.#find(name);
    return synthetic(
      name,
      shape.reduce((product, dim) => product * dim, 1),
      mean,
      amplitude,
    );
  }

  #find(name) {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`no tensor named ${name} in the manifest`);
    return tensor;
  }
}

/** Tensors of a safetensors file in f32, read whole. */
export class SafetensorsWeights {
  /** @param {string} path */
  constructor(path) {
    const file = readFileSync(path);
    const headerLength = Number(file.readBigUInt64LE(0));
    this.header = JSON.parse(file.toString('utf8', 8, 8 + headerLength));
    this.data = file.subarray(8 + headerLength);
  }

  get(name) {
    const entry = this.header[name];
    if (entry?.dtype !== 'F32') throw new Error(`no f32 tensor named ${name} in the file`);
    const [start, end] = entry.data_offsets;
    return new Float32Array(new Uint8Array(this.data.subarray(start, end)).buffer);
  }
}

/** @returns {Float32Array} */
export function synthetic(name, length, mean, amplitude) {
  const values = new Float32Array(length);
  const seed = fnv1a32(name);
  for (let i = 0; i < length; i++) {
    let z = (seed + Math.imul(i + 1, 0x9e3779b9)) | 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    z = (z ^ (z >>> 15)) >>> 0;
    values[i] = mean + amplitude * (z / 2 ** 31 - 1);
  }
  return values;
}

function fnv1a32(text) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
