/** Published checkpoints in several files, with Hugging Face's index. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import type { TensorData } from '../../src/weights/safetensors.ts';
import type { ModelFiles } from '../../src/weights/source.ts';
import {
  type Folder,
  readCheckpoint,
  readFolder,
  rejection,
  storeOf,
  utf8,
  writeCheckpoint,
} from '../api/checkpoint.ts';
import { readGolden, syntheticPicture } from '../model/golden.ts';
import { stateDict, torchFile } from './torch-writer.ts';

const golden = readFolder('tiny-vit-hf');
const { 'model.safetensors': whole, ...configs } = golden as Folder & { 'model.safetensors': Uint8Array };
const { tensors, metadata } = readCheckpoint(whole);
tensors.sort((a, b) => (a.name < b.name ? -1 : 1)); // as Hugging Face splits them: a tower's tensors follow each other
const expected = readGolden('tiny-vit/expected.json');

const shard = (i: number, ending = 'safetensors') => `model-0000${i + 1}-of-00003.${ending}`;
const writeShard = (list: TensorData[]) => writeCheckpoint({ tensors: list, metadata });
/** Three files: text tower, both, image tower. */
const parts = [tensors.slice(0, 40), tensors.slice(40, 60), tensors.slice(60)];
const indexOf = (ending?: string) => ({
  metadata: { total_size: 1 },
  weight_map: Object.fromEntries(parts.flatMap((list, i) => list.map(({ name }) => [name, shard(i, ending)]))),
});
const json = (value: unknown) => utf8(JSON.stringify(value));

const sharded: Folder = {
  ...configs,
  'model.safetensors.index.json': json(indexOf()),
  ...Object.fromEntries(parts.map((list, i) => [shard(i), writeShard(list)])),
};

async function vectors(files: ModelFiles) {
  using clip = await loadClip(files, { precision: 'f32' });
  return [await clip.encodeImage(syntheticPicture(80)), ...(await clip.encodeTokens(expected.token_ids))];
}

async function refusal(change: Folder, options = {}) {
  return rejection(loadClip(storeOf({ ...sharded, ...change }, 'it'), options));
}

describe('a checkpoint in several files', () => {
  it('gives the bits of the single one', async () => {
    expect(await vectors(storeOf(sharded))).toEqual(await vectors(storeOf(golden)));
  });

  it("gives them in PyTorch's format, too", async () => {
    const files = {
      ...configs,
      'pytorch_model.bin.index.json': json(indexOf('bin')),
      ...Object.fromEntries(
        parts.map((list, i) => [
          shard(i, 'bin'),
          torchFile(
            stateDict(list),
            list.map(({ data }) => data),
          ),
        ]),
      ),
    };
    expect(await vectors(storeOf(files))).toEqual(await vectors(storeOf(golden)));
  });

  it('opens only the files of the towers that are wanted, and closes them', async () => {
    const image = (list: TensorData[]) => list.some(({ name }) => /^vis(ion_model|ual_projection)\./.test(name));
    for (const tower of ['image', 'text'] as const) {
      const open: string[] = [];
      let closed = 0;
      const store = storeOf(sharded);
      const source = async (name: string) => {
        const found = await store.source(name);
        if (!found) return undefined;
        open.push(name);
        return { ...found, close: async () => void closed++ };
      };
      (await loadClip({ ...store, source }, { towers: [tower] })).dispose();
      const wanted = parts.flatMap((list, i) =>
        (tower === 'image' ? image(list) : list.some(({ name }) => !image([{ name } as TensorData]))) ? [shard(i)] : [],
      );
      expect(wanted.length).toBeLessThan(3);
      expect(open.sort()).toEqual(wanted);
      expect(closed).toBe(open.length);
    }
  });

  it('comes after the single file, as in transformers', async () => {
    (await loadClip(storeOf({ ...golden, 'model.safetensors.index.json': utf8('{') }))).dispose();
  });

  it.each([
    '../../etc/passwd',
    '/etc/passwd',
    'C:\\x.safetensors',
    '..\\x.safetensors',
    'sub/x.safetensors',
    '..%2f..%2fx.safetensors',
    'https://host/x.safetensors',
    '..',
    '.x.safetensors',
    'x.safetensors\0',
    'x.safetensors?y',
    'config.json',
    '',
    7,
    null,
  ])('refuses an index that names %j, and asks for nothing', async (file) => {
    const index = { weight_map: { ...indexOf().weight_map, [tensors[0]!.name]: file } };
    const asked: string[] = [];
    const store = storeOf({ ...sharded, 'model.safetensors.index.json': json(index) }, 'it');
    const source = (name: string) => {
      asked.push(name);
      return store.source(name);
    };
    expect(await rejection(loadClip({ ...store, source }))).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message:
        `"it": model.safetensors.index.json says that "${tensors[0]!.name}" is in ${JSON.stringify(file)}, ` +
        'expected the name of a file beside it',
    });
    expect(asked.filter((name) => /passwd|x\.safe|config/.test(name))).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['no weight_map', { metadata: {} }, /has weight_map nothing, expected an object/],
    ['a list', { weight_map: [] }, /has weight_map \[\], expected an object/],
    ['a number', 7, /has weight_map nothing/],
    ['no tensor of a tower', { weight_map: { 'text_model.x': 'a.safetensors' } }, /has no tensor of the image tower/],
  ])('refuses an index with %s', async (_, index, message) => {
    const error = await refusal({ 'model.safetensors.index.json': json(index) });
    expect(error).toMatchObject({ name: 'ClipError' });
    expect(error.message).toMatch(message);
  });

  it('refuses an index that is not JSON, too deep or too long', async () => {
    const message = async (text: string) => (await refusal({ 'model.safetensors.index.json': utf8(text) })).message;
    expect(await message('{"weight_map": {')).toContain('index.json is not JSON');
    expect(await message('['.repeat(1_000_000))).toContain('nested more than 8 deep');
    expect(await message(`[${'1,'.repeat(200_000)}1]`)).toContain('more than 100000 commas');
    expect(await message(' '.repeat(10_000_001))).toContain('has 10000001 characters, expected at most 10000000');
  });

  it('whose file is missing, lacks a tensor, or has one of another file, is told by name', async () => {
    const { [shard(1)]: _, ...missing } = sharded;
    expect(await rejection(loadClip(storeOf(missing, 'it')))).toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: `"it": model.safetensors.index.json names ${shard(1)}, which is not there`,
    });
    const lacking = parts[1]!.slice(1);
    expect(await refusal({ [shard(1)]: writeShard(lacking) })).toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: `"model.safetensors.index.json" says that ${shard(1)} has the tensor ${parts[1]![0]!.name}, which it has not`,
    });
    const twice = [...parts[1]!, parts[2]![0]!];
    expect(await refusal({ [shard(1)]: writeShard(twice) }, { towers: ['image'] })).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: `"model.safetensors.index.json": two of its files have the tensor ${parts[2]![0]!.name}`,
    });
  });
});
