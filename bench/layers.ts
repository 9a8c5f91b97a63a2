/**
 * Which layer int8 hurts: the weights of one layer alone are rounded to int8, everything else stays f32, and the cosine of the
 * embedding to that of the unrounded model says what this layer costs. No times.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { roundUp } from '../src/engine/numerics.ts';
import { decodeImage } from '../src/image/decode.ts';
import type { RawImage } from '../src/image/raw-image.ts';
import { loadClip } from '../src/load.ts';
import { configTowers, type Tower } from '../src/model/config.ts';
import type { TowerSlot } from '../src/model/slots.ts';
import { directoryFiles } from '../src/platform/node-files.ts';
import { similarity } from '../src/similarity.ts';
import { readDescription, towerSource } from '../src/weights/model-files.ts';
import { openTower } from '../src/weights/open-tower.ts';
import { packTower } from '../src/weights/packing.ts';
import { quantizeRow } from '../src/weights/panels.ts';
import { bytesSource, type ModelFiles } from '../src/weights/source.ts';
import { goldenPath, readGolden } from '../test/model/golden.ts';
import { RN50, syntheticFiles, TINY_RN, VIT_B_32 } from '../test/model/synthetic.ts';
import type { Report } from './report.ts';

const PHOTOS = new URL('../test/golden/photos/', import.meta.url);
/** Of each golden model, whose weights are synthetic; of a folder's, all. */
const GOLDEN_PHOTOS = 3;
/** Rows that a section shows: the layers that cost most. */
const SHOWN = 5;

/** The models of test/golden, whose weights are synthetic. */
const goldenModels = (): [string, ModelFiles][] => [
  ['tiny-vit', directoryFiles(goldenPath('tiny-vit'))],
  ['tiny-rn', syntheticFiles('tiny-rn', TINY_RN)],
  ['rn50', syntheticFiles('rn50', RN50)],
  ['vit-b-32', syntheticFiles('vit-b-32', VIT_B_32)],
];

export async function benchLayers(report: Report, folder?: string): Promise<void> {
  const models = folder === undefined ? goldenModels() : [[folder, directoryFiles(folder)] as [string, ModelFiles]];
  const photos: RawImage[] = [];
  const names = readdirSync(PHOTOS).filter((name) => /\.(png|jpg)$/.test(name));
  for (const name of names.slice(0, folder === undefined ? GOLDEN_PHOTOS : names.length))
    photos.push(await decodeImage(readFileSync(new URL(name, PHOTOS))));
  for (const [name, files] of models) {
    const { config } = await readDescription(files);
    for (const tower of configTowers(config)) await benchTower(report, `${name}, ${tower} tower`, files, tower, photos);
  }
}

async function benchTower(
  report: Report,
  title: string,
  files: ModelFiles,
  tower: Tower,
  photos: readonly RawImage[],
): Promise<void> {
  const { config, preprocess } = await readDescription(files);
  const from = await towerSource(files, tower);
  const { layout, fill } = await openTower(from, config, tower, 'f32', preprocess);
  const bytes = new Uint8Array(layout.byteLength);
  await fill(bytes);
  await from.close?.();
  const floats = (tensor: string) => {
    const { offset, byteLength } = layout.tensors.get(tensor)!;
    return new Float32Array(bytes.buffer, offset, byteLength / 4);
  };
  const vectors = async (): Promise<Float32Array[]> => {
    const [packed] = packTower(layout, bytes, { config, tower, normalization: preprocess });
    const written = new Uint8Array(Buffer.concat(packed!.parts));
    const source = async (name: string) => (name === packed!.name ? bytesSource(written, name) : undefined);
    using clip = await loadClip({ name: title, text: (name) => files.text(name), source }, { precision: 'f32', towers: [tower] }); // biome-ignore format: one line
    if (tower === 'image') return await clip.encodeImage([...photos]);
    return await clip.encodeTokens(tokenIds(config.text!.vocabSize));
  };
  const exact = await vectors();
  const lost = async () => {
    const rounded = await vectors();
    return 1 - Math.min(...rounded.map((vector, i) => similarity(vector, exact[i]!)));
  };

  const costs: { name: string; error: number; cost: number }[] = [];
  const slots = layout.slots.filter(({ kind }) => kind !== 'vector');
  for (const slot of slots) {
    const values = floats(partOf(slot));
    const kept = values.slice();
    const error = roundLayer(slot, values);
    costs.push({ name: slot.name, error, cost: await lost() });
    values.set(kept);
  }
  for (const slot of slots) roundLayer(slot, floats(partOf(slot)));
  const all = await lost();

  const sorted = costs.toSorted((a, b) => b.cost - a.cost);
  const median = sorted[sorted.length >> 1]!;
  report.section(`${title}: int8 weights in one of ${slots.length} layers`, ['layer', 'rounding', '1 - cosine']);
  const row = (name: string, error: number | undefined, cost: number) =>
    report.row(name, { ...(error !== undefined && { error }), cost }, [name, error?.toExponential(1) ?? '', cost.toExponential(1)]); // biome-ignore format: one line
  for (const { name, error, cost } of sorted.slice(0, SHOWN)) row(name, error, cost);
  row('median of the layers', median.error, median.cost);
  row('all layers at once', undefined, all);
}

/** The golden texts of a vocabulary of this size. */
function tokenIds(vocabSize: number): number[][] {
  const models: Record<number, string> = { 600: 'tiny-vit', 16384: 'default', 49408: 'vit-b-32' };
  const model = models[vocabSize];
  if (model === undefined) throw new Error(`there are no token ids for a vocabulary of ${vocabSize}`);
  return readGolden(`${model}/expected.json`).token_ids;
}

/** The tensor of a slot that int8 rounds. */
const partOf = ({ kind, name }: TowerSlot): string =>
  `${name}.${kind === 'table' ? 'rows' : kind === 'depthwise' ? 'taps' : 'panels'}`;

/** Rounds a layer's f32 weights, which lie in the order of the kernels, as int8 does; returns |W - W8| / |W|. */
function roundLayer(slot: TowerSlot, values: Float32Array): number {
  const { length, stride, rows } = rowsOf(slot);
  const row = new Float32Array(length);
  const integers = new Int8Array(length);
  let all = 0;
  let apart = 0;
  for (let r = 0; r < rows; r++) {
    const start = stride === 1 ? r * length : Math.floor(r / stride) * stride * length + (r % stride);
    for (let i = 0; i < length; i++) row[i] = values[start + i * stride]!;
    const scale = Math.fround(quantizeRow(row, integers));
    for (let i = 0; i < length; i++) {
      const rounded = Math.fround(integers[i]! * scale);
      all += row[i]! ** 2;
      apart += (row[i]! - rounded) ** 2;
      values[start + i * stride] = rounded;
    }
  }
  return all === 0 ? 0 : Math.sqrt(apart / all);
}

/** How rows with a scale of their own lie in a slot's f32 tensor: eight side by side in a panel, or one after the other. */
function rowsOf(slot: TowerSlot): { length: number; stride: number; rows: number } {
  switch (slot.kind) {
    case 'table':
      return { length: slot.width, stride: 1, rows: slot.rows };
    case 'depthwise':
      return { length: slot.kernel ** 2, stride: 8, rows: roundUp(slot.channels, 8) };
    case 'linear':
      return { length: slot.k, stride: 8, rows: roundUp(slot.n, 8) };
    case 'vector':
      throw new TypeError(`${slot.name} is not rounded`);
  }
}
