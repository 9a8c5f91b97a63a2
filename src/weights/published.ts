/** Slots from a published checkpoint: batch norms and the pixels' normalisation are folded into the weights here. */

import { product, type Slot } from '../engine/layout.ts';
import type { ClipConfig } from '../model/config.ts';
import { centre } from '../model/pixels.ts';
import { readFloats, readTensor } from './elements.ts';
import { type ResolvedTensor, resolveTensors, type Tower } from './names.ts';
import { quantizationRest } from './panels.ts';
import type { SafetensorsFile } from './safetensors.ts';
import type { SlotSource, SlotValues } from './slots.ts';
import type { Source } from './source.ts';

/** Mean and standard deviation of each channel, of pixels scaled to 0..1. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Bytes read at once from a table, whole rows. */
const TABLE_BYTES = 1 << 20;

/**
 * A tower of a published checkpoint, whose header is read.
 * @throws ClipError as `resolveTensors` does.
 */
export function publishedSlots(
  source: Source,
  file: SafetensorsFile,
  config: ClipConfig,
  tower: Tower,
  normalization: Normalization,
): SlotSource {
  const tensors = new Map(resolveTensors(file, config, tower).map((tensor) => [tensor.name, tensor]));
  return new PublishedSlots(source, tensors, config, normalization);
}

class PublishedSlots implements SlotSource {
  readonly #source: Source;
  readonly #tensors: ReadonlyMap<string, ResolvedTensor>;
  readonly #config: ClipConfig;
  readonly #normalization: Normalization;

  constructor(
    source: Source,
    tensors: ReadonlyMap<string, ResolvedTensor>,
    config: ClipConfig,
    normalization: Normalization,
  ) {
    this.#source = source;
    this.#tensors = tensors;
    this.#config = config;
    this.#normalization = normalization;
  }

  async read(slot: Exclude<Slot, { kind: 'table' }>, signal?: AbortSignal): Promise<SlotValues> {
    const { name } = slot;
    const tensor = (part: string) => this.#tensor(part, signal);
    if (slot.kind === 'linear' && slot.rest) {
      return { values: quantizationRest(await tensor(`${name.replace(/\.rest$/, '')}.weight`), slot.k) };
    }
    if (name === 'visual.tokens') {
      const values = await tensor('visual.positional_embedding'); // [tokens, width]
      const token = await tensor('visual.class_embedding'); // [width], stands at position 0
      for (let i = 0; i < token.length; i++) values[i] = values[i]! + token[i]!;
      return { values };
    }
    if (slot.kind === 'vector') return { values: await tensor(name) };
    if (name === 'visual.conv1') return this.#foldPixels(await tensor('visual.conv1.weight'));
    if (name.startsWith('visual.trunk.')) {
      const { conv, norm } = convolutionNames(name, this.#config);
      const folded = await this.#foldBatchNorm(await tensor(`${conv}.weight`), norm, signal);
      return name === 'visual.trunk.conv_stem' ? this.#foldPixels(folded.values, folded.bias) : folded;
    }
    if (name === 'visual.proj' || name === 'text_projection') return { values: await tensor(name) };
    const join = name.endsWith('in_proj') ? '_' : '.';
    const values = await tensor(`${name}${join}weight`);
    if (slot.kind === 'linear' && !slot.bias) return { values };
    return { values, bias: await tensor(`${name}${join}bias`) };
  }

  async *rows(slot: Extract<Slot, { kind: 'table' }>, signal?: AbortSignal): AsyncIterable<Float32Array> {
    const [part] = this.#resolved(`${slot.name}.weight`).parts;
    const rowBytes = part!.byteLength / slot.rows;
    const chunkBytes = Math.max(1, Math.floor(TABLE_BYTES / rowBytes)) * rowBytes;
    yield* readFloats(this.#source, part!, { finite: true, chunkBytes, ...(signal && { signal }) });
  }

  #resolved(name: string): ResolvedTensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new RangeError(`no tensor "${name}" was asked of the file`);
    return tensor;
  }

  /** A tensor by its canonical name, joined from its parts and turned the right way. */
  async #tensor(name: string, signal?: AbortSignal): Promise<Float32Array> {
    const { parts, transpose, shape } = this.#resolved(name);
    const values = new Float32Array(product(shape));
    let at = 0;
    for (const part of parts) {
      const length = product(part.shape);
      await readTensor(this.#source, part, {
        into: values.subarray(at, at + length),
        finite: true,
        ...(signal && { signal }),
      });
      at += length;
    }
    return transpose ? transposed(values, shape[1]!, shape[0]!) : values;
  }

  /** y = g w x + (beta - g mean) with g = gamma / sqrt(var + eps) (Ioffe & Szegedy 2015), an output channel at a time. */
  async #foldBatchNorm(
    values: Float32Array,
    norm: string,
    signal?: AbortSignal,
  ): Promise<{ values: Float32Array; bias: Float32Array }> {
    const vision = this.#config.vision!;
    const eps = vision.kind === 'efficientnet-lite' ? vision.bnEps : 0;
    const part = (kind: string) => this.#tensor(`${norm}.${kind}`, signal);
    const [gamma, beta, mean, variance] = [
      await part('weight'),
      await part('bias'),
      await part('running_mean'),
      await part('running_var'),
    ];
    const bias = new Float32Array(gamma.length);
    const k = values.length / gamma.length;
    for (let channel = 0; channel < gamma.length; channel++) {
      const g = gamma[channel]! / Math.sqrt(variance[channel]! + eps);
      bias[channel] = beta[channel]! - mean[channel]! * g;
      for (let i = channel * k; i < (channel + 1) * k; i++) values[i] = values[i]! * g;
    }
    return { values, bias };
  }

  /** A first convolution [n, 3, side, side] over integers 2p - z (model/pixels.ts): taps as [y][x][channel]. */
  #foldPixels(values: Float32Array, bias?: Float32Array): SlotValues {
    const { mean, std } = this.#normalization;
    const vision = this.#config.vision!;
    const n = vision.kind === 'vit' ? vision.width : vision.stem;
    const taps = values.length / n / 3;
    const folded = new Float32Array(values.length);
    const sums = new Float32Array(n);
    for (let row = 0; row < n; row++) {
      let sum = bias?.[row] ?? 0;
      for (let channel = 0; channel < 3; channel++) {
        const unit = 510 * std[channel]!;
        const rest = centre(mean[channel]!) - 510 * mean[channel]!;
        for (let tap = 0; tap < taps; tap++) {
          const w = values[(row * 3 + channel) * taps + tap]! / unit;
          folded[(row * taps + tap) * 3 + channel] = w;
          sum += w * rest;
        }
      }
      sums[row] = sum;
    }
    return { values: folded, bias: sums };
  }
}

/** timm's names of a slot's convolution and batch norm: the first block has no expansion, so its numbers are one lower. */
function convolutionNames(slot: string, config: ClipConfig): { conv: string; norm: string } {
  const trunk = 'visual.trunk';
  if (slot === `${trunk}.conv_stem`) return { conv: slot, norm: `${trunk}.bn1` };
  if (slot === `${trunk}.conv_head`) return { conv: slot, norm: `${trunk}.bn2` };
  const at = slot.lastIndexOf('.');
  const block = slot.slice(0, at);
  const stage = Number(block.split('.').at(-2));
  const plain = config.vision?.kind === 'efficientnet-lite' && config.vision.stages[stage]?.expansion === 1;
  const names = plain
    ? { expand: '', depthwise: 'conv_dw bn1', project: 'conv_pw bn2' }
    : { expand: 'conv_pw bn1', depthwise: 'conv_dw bn2', project: 'conv_pwl bn3' };
  const [conv, norm] = names[slot.slice(at + 1) as keyof typeof names].split(' ');
  return { conv: `${block}.${conv}`, norm: `${block}.${norm}` };
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
  return out;
}
