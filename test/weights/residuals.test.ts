/** Whether a map keeps the error of its int8 weights is measured on the weights, when a model is loaded or packed. */
import { describe, expect, it } from 'vitest';
import { openTower } from '../../src/weights/open-tower.ts';
import { packTower } from '../../src/weights/packing.ts';
import { LARGEST_ERROR, quantizationError } from '../../src/weights/residuals.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { readCheckpoint, writeCheckpoint } from '../api/checkpoint.ts';
import { Random } from '../kernels/random.ts';
import { cosine } from '../model/golden.ts';
import { Checkpoint, referenceEfficientNet } from '../model/references/efficientnet.ts';
import { smallEfficientNet } from '../model/small-efficientnet.ts';
import { towersOf } from '../model/towers.ts';

const PROJECTION = 'visual.head.proj';
const { vision, config, normalization, preprocess, picture } = smallEfficientNet([
  { repeats: 1, channels: 16, kernel: 3, stride: 1, expansion: 1 },
]);

const checkpoint = new Checkpoint(7);
referenceEfficientNet(checkpoint, vision, 12, normalization, picture); // makes the tensors
const published = checkpoint.bytes();

/** The checkpoint with a projection whose rows are multiples of 2^-10, the largest of them 127. */
function onGrid(): Uint8Array {
  const { tensors, metadata } = readCheckpoint(published);
  const random = new Random(3);
  const weight = tensors.find(({ name }) => name === `${PROJECTION}.weight`)!;
  const values = new Float32Array(weight.data.buffer);
  for (const i of values.keys()) values[i] = (i % 40 === 0 ? 127 : Math.floor(random.next() * 255) - 127) / 1024;
  return writeCheckpoint({ tensors, metadata });
}

const open = (bytes: Uint8Array, precision: 'int8' | 'f32' = 'int8') => openTower(bytesSource(bytes, 'small'), config, 'image', precision, normalization); // biome-ignore format: one line

async function embedding(bytes: Uint8Array, precision: 'int8' | 'f32' = 'int8'): Promise<Float32Array> {
  const { engine, image } = await towersOf(bytesSource(bytes, 'small'), config, preprocess, { precision, towers: ['image'] }); // biome-ignore format: one line
  engine.bytes.set(picture, image!.pixels);
  return engine.view(image!.encode(), 12).slice();
}

async function packed(bytes: Uint8Array): Promise<Uint8Array> {
  const { layout, fill } = await open(bytes);
  const into = new Uint8Array(layout.byteLength);
  await fill(into);
  const [file] = packTower(layout, into, { config, tower: 'image', normalization });
  return new Uint8Array(Buffer.concat(file!.parts));
}

describe('the rounding error of weights', () => {
  it('is that of the integers, relative to the weights', () => {
    expect(quantizationError(Float32Array.of(127, 0.5, -3.25, 100), 4)).toBeCloseTo(Math.hypot(0.5, 0.25) / Math.hypot(127, 0.5, 3.25, 100), 9); // biome-ignore format: one line
    expect(quantizationError(Float32Array.of(127, -5, 254, 2), 2)).toBe(0);
    expect(quantizationError(new Float32Array(8), 4)).toBe(0);
  });
});

describe.each([
  ['any weights', published, true],
  ['weights on an int8 grid', onGrid(), false],
])('a projection with %s', (_, bytes, needed) => {
  it(`has ${needed ? 'a' : 'no'} residual, loaded and packed, with the same bits`, async () => {
    const { tensors } = readCheckpoint(bytes);
    const weight = tensors.find(({ name }) => name === `${PROJECTION}.weight`)!;
    expect(quantizationError(new Float32Array(weight.data.buffer), 40) > LARGEST_ERROR).toBe(needed);
    const names = ({ layout }: Awaited<ReturnType<typeof open>>) => layout.slots.map(({ name }) => name);
    const file = await packed(bytes);
    for (const form of [bytes, file]) expect(names(await open(form)).includes(`${PROJECTION}.residual`)).toBe(needed);
    const own = await embedding(bytes);
    expect(await embedding(file)).toEqual(own);
    expect(cosine(own, await embedding(bytes, 'f32'))).toBeGreaterThan(0.9999);
    expect(cosine(own, await embedding(file, 'f32'))).toBeGreaterThan(0.9999);
  });

  it('is unpacked to f32 with what the residual keeps of it', async () => {
    const panels = async (form: Uint8Array) => {
      const { layout, fill } = await open(form, 'f32');
      const into = new Uint8Array(layout.byteLength);
      await fill(into);
      const { offset, byteLength } = layout.tensors.get(`${PROJECTION}.panels`)!;
      return new Float32Array(into.buffer, offset, byteLength / 4);
    };
    const [own, unpacked] = [await panels(bytes), await panels(await packed(bytes))];
    const difference = Math.hypot(...own.map((value, i) => value - unpacked[i]!));
    expect(difference / Math.hypot(...own)).toBeLessThanOrEqual(LARGEST_ERROR);
  });
});
