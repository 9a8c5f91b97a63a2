import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { readTensorFile } from '../../src/weights/headers.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { firstElement } from '../../src/weights/tensor-file.ts';
import { readCheckpoint } from '../api/checkpoint.ts';
import { oldTorchFile, push, stateDict, torchFile } from '../weights/torch-writer.ts';
import { sha256 } from './fake-hub.ts';
import { asked, BLOCK, goldenText, parts, rangesAsked, textEmbedding, useParts } from './parts.ts';
import { cache, embedding, golden, here, model, NAME, weights } from './surroundings.ts';

useParts();

describe("PyTorch's files", () => {
  const BIN = 'open_clip_pytorch_model.bin';
  const { tensors } = readCheckpoint(weights);
  const storages = tensors.map(({ data }) => data);
  const plain = torchFile(stateDict(tensors), storages);
  const old = oldTorchFile(tensors);
  /** The model between the optimizer's two moments. */
  const moment = { name: 'all', dtype: 'F32', shape: [1 << 20], data: new Uint8Array(4 << 20).fill(0xff) };
  const training = torchFile(
    push.dict([
      ['epoch', push.int(3)],
      ['optimizer', push.dict([['exp_avg', stateDict([moment])], ['exp_avg_sq', stateDict([moment], '', tensors.length + 1)]])],
      ['state_dict', stateDict(tensors, 'module.', 1)],
    ]),
    [moment.data, ...storages, moment.data],
  ); // biome-ignore format: one line

  function publish(bytes: Uint8Array): string {
    here.hub.publish(NAME, { 'open_clip_config.json': model['open_clip_config.json']!, [BIN]: bytes });
    return sha256(bytes);
  }

  /** The share of the bytes that were asked for, of the image tower, of the text tower, and of what else is in the file. */
  async function shares(bytes: Uint8Array) {
    const came = new Uint8Array(bytes.length);
    for (const [from, to] of rangesAsked(sha256(bytes))) came.fill(1, from, to + 1);
    const { tensors } = await readTensorFile(bytesSource(bytes));
    const count = { image: [0, 0], text: [0, 0], rest: [came.reduce((a, b) => a + b, 0), bytes.length] };
    for (const tensor of tensors.values()) {
      const start = await firstElement(tensor);
      const part = came.subarray(start, start + tensor.byteLength).reduce((a, b) => a + b, 0);
      const kind = tensor.name.replace('module.', '').startsWith('visual.') ? 'image' : 'text';
      for (const [i, of] of [part, tensor.byteLength].entries()) {
        count[kind][i]! += of;
        count.rest[i]! -= of;
      }
    }
    return Object.fromEntries(Object.entries(count).map(([kind, [part, all]]) => [kind, part! / all!]));
  }

  it.each([
    ['the zip of torch.save', plain],
    ['its older form', old],
  ])('%s: one tower comes alone, then the rest, and the file is whole and checked', async (_, bytes) => {
    const id = publish(bytes);
    expect(await textEmbedding()).toEqual(await goldenText());
    const { image, text } = await shares(bytes);
    expect(text).toBe(1);
    expect(image).toBeLessThan(0.4);
    expect(existsSync(cache('blobs', id))).toBe(false);
    const requests = asked(id).length;
    expect(await textEmbedding({ localFilesOnly: true })).toEqual(await goldenText());
    expect(asked(id)).toHaveLength(requests);
    expect(await embedding()).toEqual(await golden());
    expect(sha256(readFileSync(cache('blobs', id)))).toBe(id);
    expect(existsSync(parts(id))).toBe(false);
    expect(await textEmbedding({ localFilesOnly: true })).toEqual(await goldenText());
  });

  it('of training: the optimizer never comes, for one tower, the other, or both', async () => {
    const id = publish(training);
    expect(await embedding()).toEqual(await golden());
    const first = await shares(training);
    expect(first.image).toBe(1);
    expect(first.text).toBeLessThan(0.4);
    expect(await textEmbedding()).toEqual(await goldenText());
    const { hub } = here;
    const requests = asked(id).length;
    (await loadClip(NAME)).dispose();
    expect(
      hub.asked.filter(({ path }) => path === `/${id}`),
      'both are here',
    ).toHaveLength(requests);
    await hub.stop();
    (await loadClip(NAME)).dispose();
    const { image, text, rest } = await shares(training);
    expect([image, text]).toEqual([1, 1]);
    expect(rest).toBeLessThan(0.12);
    expect(existsSync(cache('blobs', id))).toBe(false);
  });

  it('of training: a damaged tower is found after the other came, too', async () => {
    const id = publish(training);
    await embedding();
    writeFileSync(parts(id), readFileSync(parts(id)).fill(0, 5 << 20));
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(await embedding()).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });

  it('of training, both towers at once', async () => {
    publish(training);
    (await loadClip(NAME)).dispose();
    const { image, text, rest } = await shares(training);
    expect([image, text]).toEqual([1, 1]);
    expect(rest).toBeLessThan(0.12);
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });

  it('go on at the block where they broke, and from a server without ranges come whole', async () => {
    const id = publish(training);
    here.hub.cuts = [1e9, 1e9, 1e9, 1e9, 3 * BLOCK + 777];
    expect(await embedding()).toEqual(await golden());
    expect(here.hub.cuts).toEqual([]);
    rmSync(cache('.edgeclip'), { recursive: true });
    here.hub.ranges = 'ignored';
    expect(await embedding()).toEqual(await golden());
    expect(sha256(readFileSync(cache('blobs', id)))).toBe(id);
  });
});
