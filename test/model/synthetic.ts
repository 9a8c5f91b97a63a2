/** Full-size synthetic weights from a manifest (test/golden/README.md): a safetensors file that is computed as it is read. */
import { readFileSync } from 'node:fs';
import type { ModelFiles, Source } from '../../src/weights/source.ts';
import { goldenPath } from './golden.ts';

interface ManifestTensor {
  name: string;
  shape: number[];
  mean: number;
  amplitude: number;
}

function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** value[i] = f32(mean + amplitude * u(name, i + 1)), for i in [first, first + out.length). */
function fill({ name, mean, amplitude }: ManifestTensor, first: number, out: Float32Array): void {
  const seed = fnv1a32(name);
  for (let i = 0; i < out.length; i++) {
    let z = (seed + Math.imul(first + i + 1, 0x9e3779b9)) | 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    z ^= z >>> 15;
    out[i] = mean + amplitude * ((z >>> 0) / 2 ** 31 - 1);
  }
}

interface SyntheticConfig {
  /** A list for a ResNet, whose blocks are all kept. */
  readonly vision_cfg: { readonly layers: number | readonly number[] };
  readonly text_cfg: { readonly layers: number };
}

/**
 * A source of the manifest's model in OpenCLIP's naming, with the layers that the configuration has. Reads must begin and end
 * between two values.
 */
export function syntheticSource(golden: string, { vision_cfg, text_cfg }: SyntheticConfig): Source {
  const manifest = JSON.parse(readFileSync(goldenPath(`${golden}/manifest.json`), 'utf8')) as {
    tensors: ManifestTensor[];
  };
  const tensors = manifest.tensors.filter(({ name }) => {
    const [, visual, layer] = /^(visual\.)?transformer\.resblocks\.(\d+)\./.exec(name) ?? [];
    return layer === undefined || Number(layer) < Number((visual ? vision_cfg : text_cfg).layers);
  });
  const places: { tensor: ManifestTensor; begin: number; end: number }[] = [];
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const tensor of tensors) {
    const begin = end;
    end += tensor.shape.reduce((a, b) => a * b, 1) * 4;
    places.push({ tensor, begin, end });
    header[tensor.name] = { dtype: 'F32', shape: tensor.shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + json.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
  head.set(json, 8);
  return {
    name: golden,
    byteLength: head.length + end,
    async readInto(offset, target) {
      let at = 0;
      if (offset < head.length) {
        const piece = head.subarray(offset, Math.min(head.length, offset + target.length));
        target.set(piece);
        at = piece.length;
      }
      while (at < target.length) {
        const byte = offset + at - head.length;
        const place = places.find(({ begin, end }) => byte >= begin && byte < end)!;
        const length = Math.min(place.end - byte, target.length - at) & ~3;
        if (length === 0) return; // the tail of a look at the file's first bytes
        const values = new Float32Array(length / 4);
        fill(place.tensor, (byte - place.begin) / 4, values);
        target.set(new Uint8Array(values.buffer), at);
        at += length;
      }
    },
  };
}

/** The manifest's model as files, with its configuration. */
export function syntheticFiles(golden: string, config: SyntheticConfig): ModelFiles {
  return {
    name: golden,
    text: async (name) => (name === 'open_clip_config.json' ? JSON.stringify(config) : undefined),
    source: async (name) => (name === 'open_clip_model.safetensors' ? syntheticSource(golden, config) : undefined),
  };
}

/** OpenAI's ViT-B/32, as OpenCLIP's ViT-B-32-quickgelu.json describes it. */
export const VIT_B_32 = {
  embed_dim: 512,
  quick_gelu: true,
  vision_cfg: { image_size: 224, layers: 12, width: 768, patch_size: 32 },
  text_cfg: { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 },
};

/** The model of golden/tiny-rn. */
export const TINY_RN = {
  embed_dim: 64,
  quick_gelu: true,
  vision_cfg: { image_size: 96, layers: [2, 1, 2, 1], width: 16, patch_size: null },
  text_cfg: { context_length: 77, vocab_size: 600, width: 64, heads: 1, layers: 2 },
};

/** OpenAI's RN50, as OpenCLIP's RN50-quickgelu.json describes it. */
export const RN50 = {
  embed_dim: 1024,
  quick_gelu: true,
  vision_cfg: { image_size: 224, layers: [3, 4, 6, 3], width: 64, patch_size: null },
  text_cfg: { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 },
};

/** The same with the weights in memory. */
export async function syntheticFolder(golden: string, config: SyntheticConfig): Promise<Record<string, Uint8Array>> {
  const source = syntheticSource(golden, config);
  const weights = new Uint8Array(source.byteLength);
  await source.readInto(0, weights);
  return {
    'open_clip_config.json': new TextEncoder().encode(JSON.stringify(config)),
    'open_clip_model.safetensors': weights,
  };
}
