import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Classifier } from '../../src/classifier.ts';
import type { Clip } from '../../src/clip.ts';
import type { Encoder } from '../../src/encoding.ts';
import { loadClip } from '../../src/load.ts';
import { goldenPath } from '../model/golden.ts';
import { rejection } from './checkpoint.ts';
import { badPictures, photo, pictures } from './pictures.ts';
import { tokenRows } from './token-ids.ts';

afterEach(() => vi.unstubAllGlobals());

const PAGE = 65_536;

/** The memories that are made while loading: ours has a maximum; the decoders' are made inside. */
async function watchMemories(load: () => Promise<Clip>): Promise<{ clip: Clip; memories: WebAssembly.Memory[] }> {
  const memories: WebAssembly.Memory[] = [];
  class Watched extends WebAssembly.Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      memories.push(this);
    }
  }
  vi.stubGlobal('WebAssembly', Object.create(WebAssembly, { Memory: { value: Watched } }));
  const clip = await load();
  vi.unstubAllGlobals();
  return { clip, memories };
}

async function workHard(clip: Clip) {
  await clip.encodeImage(pictures);
  await clip.encodeImage({ data: new Uint8Array(60_000).fill(9), width: 1, height: 20_000 });
  await clip.encodeImage({ data: new Uint8Array(60_000).fill(9), width: 20_000, height: 1 });
  await clip.encodeImage({ data: new Uint8Array(3 * 1500 * 1500).fill(9), width: 1500, height: 1500 });
  for (const [, bytes] of badPictures) await rejection(clip.encodeImage(bytes));
  const eot = clip.config.text!.vocabSize - 1;
  await clip.encodeTokens(tokenRows(150).map((row) => [...row.slice(0, -1), eot]));
  await clip.encodeTokens([1, 2, 3, 4].map((id) => [...Array(76).fill(id), eot]));
}

describe.each([
  ['the embedded model', undefined, 'int8'],
  ['tiny-vit', goldenPath('tiny-vit'), 'int8'],
  ['tiny-vit-hf', goldenPath('tiny-vit-hf'), 'f32'],
] as const)('the memory of %s', (_, model, precision) => {
  it('is made once, at the size of the plan, and cannot grow', async () => {
    (await loadClip(model, { precision })).dispose(); // the choice between the kernels' variants has memories of its own
    const { clip, memories } = await watchMemories(() => loadClip(model, { precision }));
    expect(memories).toHaveLength(1);
    const [memory] = memories;
    const before = clip.info();
    expect(before.memory.total).toBe(memory.buffer.byteLength);
    const kept = memory.buffer;
    await workHard(clip);
    expect(memory.buffer).toBe(kept);
    const { decoders } = clip.info().memory; // they come when they are needed
    expect(clip.info()).toEqual({ ...before, memory: { ...before.memory, decoders } });
    expect(() => memory.grow(1)).toThrow(RangeError);
    clip.dispose();
  });

  it('is what the parts take, of which the activations of one tower lie over those of the other', async () => {
    using clip = await loadClip(model, { precision });
    const { total, use } = clip.info().memory;
    const { 'image activations': image, 'text activations': text, ...rest } = use;
    expect(Object.keys(rest).sort()).toEqual(['image weights', 'scratch', 'text weights']);
    const parts = Object.values(rest).reduce((sum, bytes) => sum + bytes, 0) + Math.max(image, text);
    expect(total % PAGE).toBe(0);
    expect(total).toBeGreaterThanOrEqual(parts);
    // A part begins at a multiple of 64, the whole ends at a page's end.
    expect(total - parts).toBeLessThan(PAGE + 64 * 100);
  });
});

it('reports what a model of one tower takes', async () => {
  using clip = await loadClip(goldenPath('tiny-vit'), { towers: ['text'] });
  const { use } = clip.info().memory;
  expect(Object.keys(use).sort()).toEqual(['scratch', 'text activations', 'text weights']);
});

it('a picture of any size within the limits fits the memory that was planned for it', async () => {
  using clip = await loadClip(goldenPath('tiny-vit'), { towers: ['image'], maxPixels: 1_000_000 });
  const { total } = clip.info().memory;
  const expected = await clip.encodeImage(photo);
  for (const [width, height] of [
    [1000, 1000],
    [999, 1001],
    [15, 65_535],
    [65_535, 15],
    [1, 1],
    [79, 80],
    [80, 12_500],
  ]) {
    const gray = { data: new Uint8Array(width * height).fill(100), width, height };
    const plain = { data: new Uint8Array(80 * 80).fill(100), width: 80, height: 80 };
    expect(await clip.encodeImage(gray), `${width} x ${height}`).toEqual(await clip.encodeImage(plain));
  }
  expect(await clip.encodeImage(photo)).toEqual(expected);
  expect(clip.info().memory.total).toBe(total);
});

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes of objects and buffers that are held once garbage is collected. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('B27: while a classifier is made', () => {
  const DIM = 512;
  const LABELS = 300;

  /** Most bytes that are held when the model is asked for vectors. */
  async function mostHeld(labels: number, templates: 'single' | 'openai-80'): Promise<number> {
    let most = 0;
    const before = heldBytes();
    const model: Encoder = {
      config: { embedDim: DIM },
      logitScale: 100,
      async encodeText(prompts) {
        most = Math.max(most, heldBytes() - before);
        return prompts.map((_, i) => new Float32Array(DIM).fill(0, 1).fill(1, i % DIM, (i % DIM) + 1));
      },
      encodeImages: () => {
        throw new Error('not needed');
      },
    };
    const names = Array.from({ length: labels }, (_, i) => `thing ${i}`);
    const classifier = await Classifier.fromClasses(model, names, { templates });
    expect(classifier.labels).toHaveLength(labels);
    return most;
  }

  it('memory grows with labels, not with prompts', async () => {
    await mostHeld(10, 'openai-80');
    const vectors = 4096 * DIM * 4; // of the prompts that are embedded together
    const sums = LABELS * DIM * 8;
    const few = await mostHeld(LABELS / 4, 'openai-80');
    const many = await mostHeld(LABELS, 'openai-80');
    expect(many).toBeLessThan(sums + vectors + (16 << 20));
    expect(many - few).toBeLessThan(sums + (16 << 20)); // all vectors of the prompts would be 49 MB
  });
});

it('R31 in short: nothing is kept of pictures that came one by one, broken ones included', async () => {
  using clip = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
  const source = function* (count: number) {
    for (let i = 0; i < count; i++) {
      const picture = pictures[i % pictures.length]!;
      yield i % 10 === 9 ? picture.subarray(0, picture.length >> 1) : picture.slice();
    }
  };
  const run = async (count: number) => {
    let failed = 0;
    for await (const { error } of clip.encodeImages(source(count))) if (error) failed++;
    return failed;
  };
  // Some of what is garbage is found late; a leak grows each time.
  const settledBytes = async () => {
    heldBytes();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return heldBytes();
  };
  await run(60);
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3 && least > 1 << 20; attempt++) {
    const before = await settledBytes();
    expect(await run(120)).toBe(12);
    least = Math.min(least, (await settledBytes()) - before);
  }
  expect(least).toBeLessThan(1 << 20); // the pictures are 7 MB
});
