/** The packed format: what is damaged is found by checksums, and shards of any size hold the same model. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { readDescription, towerSource } from '../../src/weights/model-files.ts';
import { openTower } from '../../src/weights/open-tower.ts';
import { parseSafetensorsHeader } from '../../src/weights/safetensors.ts';
import type { Source } from '../../src/weights/source.ts';
import {
  type Checkpoint,
  editTensors,
  editValues,
  type Folder,
  pack,
  readFolder,
  refusal,
  resealed,
  storeOf,
  utf8,
} from '../api/checkpoint.ts';
import { readGolden, syntheticPicture } from '../model/golden.ts';

const published = readFolder('tiny-vit');
const packed = await pack(published);
const { token_ids: ids } = readGolden('tiny-vit/expected.json');
const picture = syntheticPicture(80);
const precisions = ['int8', 'f32'] as const;

async function embeddings(folder: Folder, precision: 'int8' | 'f32'): Promise<Float32Array[]> {
  using clip = await loadClip(storeOf(folder), { precision });
  return [await clip.encodeImage(picture), ...(await clip.encodeTokens(ids))];
}

/** The folder with the file's bytes changed in a copy. */
function changed(folder: Folder, file: string, edit: (bytes: Uint8Array) => void): Folder {
  const bytes = folder[file]!.slice();
  edit(bytes);
  return { ...folder, [file]: bytes };
}

interface Config {
  model_cfg: { embed_dim: number; vision_cfg: { layers: number }; text_cfg: { layers: number } };
}

function withConfig(folder: Folder, edit: (config: Config) => void): Folder {
  const config = JSON.parse(new TextDecoder().decode(folder['open_clip_config.json']));
  edit(config);
  return { ...folder, 'open_clip_config.json': utf8(JSON.stringify(config)) };
}

describe('a damaged packed file', () => {
  it.each(['image.safetensors', 'text.safetensors'])(
    'with a flipped bit in any tensor of %s is refused by its name',
    async (file) => {
      const { tensors } = parseSafetensorsHeader(packed[file]!, file);
      expect(tensors.size).toBeGreaterThan(50);
      let i = 0;
      for (const { name, offset, byteLength } of tensors.values()) {
        const bit = (i * 7919) % (byteLength * 8);
        const model = changed(packed, file, (bytes) => {
          bytes[offset + (bit >> 3)]! ^= 1 << (bit & 7);
        });
        expect(await refusal(model, { precision: precisions[i % 2], towers: [file.split('.')[0]] })).toMatchObject({
          code: 'WEIGHTS_FORMAT',
          message: `"${file}" is damaged: the bytes of tensor ${name} do not have its checksum; fetch or pack the model again`,
        });
        i++;
      }
    },
  );

  it('whose second half was never written is refused, in either precision', async () => {
    for (const file of ['image.safetensors', 'text.safetensors']) {
      const model = changed(packed, file, (bytes) => void bytes.fill(0, bytes.length / 2));
      for (const precision of precisions) {
        const error = await refusal(model, { precision });
        expect(error).toMatchObject({ code: 'WEIGHTS_FORMAT' });
        expect(error.message).toContain('checksum');
      }
    }
  });

  it('whose checksums were changed is refused', async () => {
    for (const [key, edit] of [
      ['checksums', (sums: string) => sums.slice(8) + sums.slice(0, 8)],
      ['checksums', (sums: string) => sums.slice(8)],
      ['checksum', (sum: string) => sum.replace(/./, (digit) => (digit === '0' ? '1' : '0'))],
    ] as const) {
      const model = editTensors(packed, 'text.safetensors', ({ tensors, metadata }) => ({
        tensors,
        metadata: { ...metadata, [key]: edit(metadata[key]!) },
      }));
      expect(await refusal(model)).toMatchObject({
        code: 'WEIGHTS_FORMAT',
        message: expect.stringContaining('"text.safetensors" is damaged'),
      });
    }
  });

  it('of layout 1 says what to do', async () => {
    const model = editTensors(
      packed,
      'image.safetensors',
      ({ tensors, metadata: { checksums, checksum, ...metadata } }) => ({
        tensors,
        metadata: { ...metadata, layout: '1' },
      }),
    );
    expect(await refusal(model)).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: '"image.safetensors": packed weights with layout 1, expected 2; pack the model again',
    });
  });
});

describe('packed weights of another model than the configuration', () => {
  it('with another embedding width are refused, also one that is padded to the same bytes', async () => {
    for (const width of [95, 89, 128]) {
      const model = withConfig(packed, ({ model_cfg }) => {
        model_cfg.embed_dim = width;
      });
      expect(await refusal(model)).toMatchObject({
        code: 'WEIGHTS_FORMAT',
        message: `"image.safetensors": packed weights with embed_dim 96, expected ${width}; pack the model again`,
      });
    }
  });

  it('with more layers are refused by the tensor, with what the configuration says', async () => {
    const image = withConfig(packed, ({ model_cfg }) => {
      model_cfg.vision_cfg.layers = 2;
    });
    expect(await refusal(image)).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message:
        '"image.safetensors" has the packed tensor visual.transformer.resblocks.2.ln_1.weight, which the configuration ' +
        'does not describe (a ViT with patches of 16 and 2 layers of width 128)',
    });
    const text = withConfig(packed, ({ model_cfg }) => {
      model_cfg.text_cfg.layers = 4;
    });
    expect(await refusal(text)).toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: expect.stringMatching(/lacks the packed tensor transformer\.resblocks\.3\.ln_1\.weight .*4 layers/),
    });
  });
});

it('packed weights of which one tensor has another shape, or other elements of the same size, are refused by its name', async () => {
  const edited = (edit: (tensor: Checkpoint['tensors'][number]) => Partial<Checkpoint['tensors'][number]>) =>
    editTensors(packed, 'image.safetensors', ({ tensors, metadata }) => ({
      tensors: tensors.map((tensor) =>
        tensor.name === 'visual.ln_post.weight' ? { ...tensor, ...edit(tensor) } : tensor,
      ),
      metadata,
    }));
  const cases = [
    [edited(({ shape }) => ({ shape: [...shape, 1] })), 'F32 [128, 1]'],
    [edited(() => ({ dtype: 'I32' })), 'I32 [128]'],
  ] as const;
  for (const [model, found] of cases) {
    expect(await refusal(model)).toMatchObject({
      code: 'WEIGHTS_SHAPE',
      message: `"image.safetensors" has the packed tensor visual.ln_post.weight as ${found}, expected F32 [128]`,
    });
  }
});

it('packed weights with a logit scale that no model has are refused, though their checksums are right', async () => {
  const damaged = editValues(packed, 'text.safetensors', 'logit_scale', (values) => {
    values[0] = 88;
  });
  for (const precision of precisions) {
    expect(await refusal(resealed(damaged, 'text.safetensors'), { precision })).toMatchObject({
      code: 'WEIGHTS_VALUE',
      message: '"text.safetensors": tensor logit_scale has 88, expected a value from 0 to 6.9078',
    });
  }
});

it('reading that fails leaves no read under way', async () => {
  const folder = await pack(published, 'f32');
  const { 'text.safetensors': bytes } = changed(folder, 'text.safetensors', (bytes) => {
    const { dataOffset } = parseSafetensorsHeader(bytes, 'x');
    bytes[dataOffset]! ^= 1;
  });
  const { config, preprocess } = await readDescription(storeOf(folder));
  let underWay = 0;
  let reads = 0;
  const source: Source = {
    name: 'slow',
    byteLength: bytes!.length,
    async readInto(offset, target) {
      underWay++;
      reads++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      target.set(bytes!.subarray(offset, offset + target.length));
      underWay--;
    },
  };
  const { layout, fill } = await openTower(source, config, 'text', 'f32', preprocess);
  reads = 0;
  await expect(fill(new Uint8Array(layout.byteLength))).rejects.toMatchObject({ code: 'WEIGHTS_FORMAT' });
  expect(reads).toBe(2); // the second was under way while the first was verified
  expect(underWay).toBe(0);
});

describe.each(precisions)('shards of a model packed in %s', (precision) => {
  const whole = pack(published, precision);
  const expected = whole.then((model) => embeddings(model, precision));

  it.each([30_000, 100_000, 256 * 1024, 500_000])('of at most %i bytes hold the same bits', async (shardBytes) => {
    const model = await pack(published, precision, { shardBytes });
    expect(Object.keys(model)).not.toContain('image.safetensors');
    for (const tower of ['image', 'text']) {
      const names = Object.keys(model).filter((name) => name.startsWith(`${tower}-`));
      const count = String(names.length).padStart(5, '0');
      expect(names).toEqual(names.map((_, i) => `${tower}-${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`));
      const sizes = names.map((name) => model[name]!.length);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(shardBytes);
      const data = (await whole)[`${tower}.safetensors`]!.length;
      // Shards are filled: no more than twice as many as there must be.
      expect(names.length).toBeLessThanOrEqual(2 * Math.ceil(data / shardBytes) + 1);
      // Tensors are split only where they must be.
      for (const name of names) {
        for (const tensor of parseSafetensorsHeader(model[name]!, name).tensors.keys()) {
          if (shardBytes >= 512 * 128 * 4 + 2000) expect(tensor).not.toContain('piece');
        }
      }
    }
    expect(await embeddings(model, precision)).toEqual(await expected);
  });

  it('are one file where one is enough', async () => {
    const one = await pack(published, precision, { shardBytes: 100_000_000 });
    expect(Object.keys(one)).toEqual(Object.keys(await whole));
    for (const [name, bytes] of Object.entries(one)) expect(Buffer.compare(bytes, (await whole)[name]!)).toBe(0);
  });

  it('are refused by the name of a tensor of which they cannot hold a row', async () => {
    await expect(pack(published, precision, { shardBytes: 1500 })).rejects.toThrow(RangeError);
    await expect(pack(published, precision, { shardBytes: 1500 })).rejects.toThrow(/a row of tensor \S+ has \d+ bytes/);
    await expect(pack(published, precision, { shardBytes: 1 })).rejects.toThrow(RangeError);
  });

  it('are read straight into their place, each byte once', async () => {
    const folder = await pack(published, precision, { shardBytes: 100_000 });
    const files = storeOf(folder);
    const { config, preprocess } = await readDescription(files);
    const reads: { target: Uint8Array; data: boolean }[] = [];
    const spied = {
      ...files,
      async source(name: string) {
        const source = await files.source(name);
        if (!source) return undefined;
        const { dataOffset } = parseSafetensorsHeader(folder[name]!, name);
        const readInto: Source['readInto'] = (offset, target, signal) => {
          reads.push({ target, data: offset >= dataOffset });
          return source.readInto(offset, target, signal);
        };
        return { ...source, readInto };
      },
    };
    const { layout, fill } = await openTower(await towerSource(spied, 'text'), config, 'text', precision, preprocess);
    const into = new Uint8Array(layout.byteLength);
    await fill(into);
    const data = reads.filter((read) => read.data);
    expect(data.every(({ target }) => target.buffer === into.buffer)).toBe(true);
    expect(data.reduce((sum, { target }) => sum + target.length, 0)).toBe(layout.byteLength);
  });
});

describe('shards that do not belong together', async () => {
  const sharded = await pack(published, 'int8', { shardBytes: 100_000 });
  const names = Object.keys(sharded).filter((name) => name.startsWith('text-'));

  it('unpack to f32 as the whole file does', async () => {
    expect(await embeddings(sharded, 'f32')).toEqual(await embeddings(packed, 'f32'));
  });

  it('with a flipped bit are refused by the tensor, even in a piece of one', async () => {
    const small = await pack(published, 'int8', { shardBytes: 30_000 });
    const [file] = Object.keys(small).filter(
      (name) => name.endsWith('.safetensors') && parseSafetensorsHeader(small[name]!, name).tensors.keys().next().value!.includes('rows.piece-2'), // biome-ignore format: one condition
    );
    const model = changed(small, file!, (bytes) => {
      bytes[bytes.length - 100]! ^= 4;
    });
    expect(await refusal(model)).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: expect.stringContaining(`"${file}" is damaged: the bytes of tensor token_embedding.rows do not have`),
    });
  });

  it('with the pieces of a tensor in another order are refused', async () => {
    const small = await pack(published, 'int8', { shardBytes: 30_000 });
    const files = Object.keys(small).filter((name) => name.startsWith('text-'));
    const rename = (folder: Folder, from: string, to: string): Folder =>
      files.reduce(
        (edited, file) =>
          editTensors(edited, file, (c) => ({
            ...c,
            tensors: c.tensors.map((tensor) => (tensor.name === from ? { ...tensor, name: to } : tensor)),
          })),
        folder,
      );
    const piece = (i: number) => `token_embedding.rows.piece-${i}-of-3`;
    const turned = rename(rename(rename(small, piece(1), 'x'), piece(2), piece(1)), 'x', piece(2));
    for (const model of [turned, rename(small, piece(2), piece(3)), rename(small, piece(2), piece(1))]) {
      expect(await refusal(model)).toMatchObject({
        code: 'WEIGHTS_FORMAT',
        message: expect.stringMatching(/token_embedding\.rows\.piece-\d-of-3 does not follow the piece before it/),
      });
    }
    expect(await refusal(rename(small, piece(3), 'y'))).toMatchObject({ code: 'WEIGHTS_FORMAT' });
  });

  it('from two packings are refused', async () => {
    const other = await pack(
      editValues(published, 'open_clip_model.safetensors', 'ln_final.bias', (values) => {
        values[0]! += 1;
      }),
      'int8',
      { shardBytes: 100_000 },
    );
    const mixed = { ...sharded, [names[1]!]: other[names[1]!]! };
    expect(await refusal(mixed)).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: expect.stringContaining('is of another packing'),
    });
  });

  it('in another order, or of which one is missing, are refused by name', async () => {
    const turned = { ...sharded, [names[0]!]: sharded[names[1]!]!, [names[1]!]: sharded[names[0]!]! };
    expect(await refusal(turned)).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: expect.stringContaining(`with shard 2/${names.length}, expected 1/${names.length}`),
    });
    const { [names[2]!]: _, ...fewer } = sharded;
    expect(await refusal(fewer)).toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: `"a store": text.safetensors.index.json says ${names.length} shards, but there is no ${names[2]}`,
    });
  });

  it.each<[string, string, RegExp]>([
    ['not JSON', '{"format":', /text\.safetensors\.index\.json is not JSON/],
    ['of Hugging Face', '{"metadata":{},"weight_map":{}}', /is not the index of a packed model/],
    ['null', 'null', /is not the index of a packed model/],
    [
      'of another layout',
      '{"format":"edgeclip","layout":"1","shards":2}',
      /has layout "1", expected "2"; pack the model/,
    ],
    ['without shards', '{"format":"edgeclip","layout":"2","shards":0}', /has shards 0, expected an integer from 1 to/],
    ['with too many', '{"format":"edgeclip","layout":"2","shards":1e9}', /has shards 1000000000/],
    ['with a list', '{"format":"edgeclip","layout":"2","shards":["../x"]}', /has shards \["\.\.\/x"\]/],
    ['nested', `{"a":${'['.repeat(40_000)}`, /nested more than 8 deep/],
    ['long', `"${'x'.repeat(200_000)}"`, /has 200002 characters/],
  ])('an index that is %s is refused', async (_, index, message) => {
    const error = await refusal({ ...sharded, 'text.safetensors.index.json': utf8(index) });
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toMatch(message);
  });

  it('close every file, also when one is missing', async () => {
    const open = new Set<string>();
    const files = (folder: Folder) => {
      const store = storeOf(folder);
      return {
        ...store,
        async source(name: string) {
          const source = await store.source(name);
          if (!source) return undefined;
          open.add(name);
          return { ...source, close: async () => void open.delete(name) };
        },
      };
    };
    using _clip = await loadClip(files(sharded));
    expect(open).toEqual(new Set());
    const { [names.at(-1)!]: _, ...fewer } = sharded;
    await expect(loadClip(files(fewer))).rejects.toMatchObject({ code: 'WEIGHTS_MISSING' });
    expect(open).toEqual(new Set());
  });
});
