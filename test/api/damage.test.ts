import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { loadClip } from '../../src/load.ts';
import type { TensorData } from '../../src/weights/safetensors.ts';
import {
  type Checkpoint,
  editTensors,
  editValues,
  type Folder,
  pack,
  readFolder,
  refusal,
  rejection,
  resealed,
  storeOf,
  utf8,
} from './checkpoint.ts';

const WEIGHTS = 'open_clip_model.safetensors';
const page = utf8('<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Nothing here</body></html>');
const folder = readFolder('tiny-vit');
const bytes = folder[WEIGHTS];
const packed = await pack(folder);

const headerLength = (file: Uint8Array) => Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));

/** The folder with another weights file. */
const withWeights = (file: Uint8Array): Folder => ({ ...folder, [WEIGHTS]: file });

/** The weights file with its header's JSON changed. The data stay. */
function withHeader(edit: (header: string) => string): Folder {
  const length = headerLength(bytes);
  const header = utf8(edit(new TextDecoder().decode(bytes.subarray(8, 8 + length))));
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, BigInt(header.length), true);
  return withWeights(new Uint8Array(Buffer.concat([start, header, bytes.subarray(8 + length)])));
}

/** Moves every tensor but the first one 4 bytes toward it. */
const shiftBack = (offsets: string, from: string, to: string) =>
  from === '0' ? offsets : `"data_offsets":[${Number(from) - 4},${Number(to) - 4}]`;

const replaceTensor = (name: string, change: Partial<TensorData>) => (checkpoint: Checkpoint) => ({
  ...checkpoint,
  tensors: checkpoint.tensors.map((tensor) => (tensor.name === name ? { ...tensor, ...change } : tensor)),
});

describe('a model that cannot be used', () => {
  it.each<[string, Folder, string, RegExp]>([
    ['no configuration', { [WEIGHTS]: bytes }, 'CONFIG', /no open_clip_config\.json and no config\.json/],
    [
      'a web page as configuration',
      { ...folder, 'open_clip_config.json': page },
      'CONFIG',
      /there is no .*; a web page came instead of open_clip_config\.json: the address or the login/,
    ],
    [
      'half a configuration',
      { ...folder, 'open_clip_config.json': utf8('{"model_cfg": {') },
      'CONFIG',
      /open_clip_config\.json is not JSON: /,
    ],
    ['a configuration of something else', { ...folder, 'open_clip_config.json': utf8('{"a":1}') }, 'CONFIG', /keys a$/],
    ['no weights', { 'open_clip_config.json': folder['open_clip_config.json'] }, 'WEIGHTS_MISSING', /image tower/],
    [
      'a web page as weights',
      withWeights(page),
      'WEIGHTS_MISSING',
      /no weights for the image tower.*; a web page came instead of open_clip_model\.safetensors/,
    ],
    ['empty weights', withWeights(new Uint8Array(0)), 'WEIGHTS_FORMAT', /is empty/],
    [
      'a git-lfs pointer',
      withWeights(utf8('version https://git-lfs.github.com/spec/v1\n')),
      'WEIGHTS_FORMAT',
      /git-lfs/,
    ],
    ['zeros of the right length', withWeights(new Uint8Array(bytes.length)), 'WEIGHTS_FORMAT', /zeros/],
  ])('%s', async (_, model, code, message) => {
    const error = await refusal(model);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['a web page', page, /has no tokenizer/],
    ['half a file', utf8('{"model": {'), /^tokenizer\.json: not JSON/],
  ])('%s as tokenizer, which is looked at when the first text comes', async (_, tokenizer, message) => {
    using clip = await loadClip(storeOf({ ...folder, 'tokenizer.json': tokenizer }));
    expect(() => clip.tokenize(['a cat'])).toThrow(expect.objectContaining({ code: 'TOKENIZER' }));
    await expect(clip.encodeText('a cat')).rejects.toThrow(message);
    expect(await clip.encodeTokens([[598, 255, 599]])).toHaveLength(1);
  });
});

describe('damaged weights', () => {
  it('truncated anywhere, are found before a tensor is read', async () => {
    for (const length of [
      1,
      8,
      9,
      100,
      headerLength(bytes),
      headerLength(bytes) + 8,
      bytes.length >> 1,
      bytes.length - 1,
    ]) {
      const error = await refusal(withWeights(bytes.subarray(0, length)));
      expect(error.code, `${length} bytes`).toBe('WEIGHTS_FORMAT');
      if (length > 8) expect(error.message).toContain('truncated');
    }
  });

  it('with any flipped bit in the header, load or give a ClipError about the weights', async () => {
    let refused = 0;
    const tried = 150;
    const small = bytes.subarray(); // the file is shared: a bit is flipped and flipped back
    for (let i = 0; i < tried; i++) {
      const bit = (i * 7919) % ((headerLength(bytes) + 8) * 8);
      small[bit >> 3] ^= 1 << (bit & 7);
      const error = await loadClip(storeOf(folder), { towers: ['image'] }).then(
        () => undefined,
        (error) => error,
      );
      small[bit >> 3] ^= 1 << (bit & 7);
      if (error === undefined) continue;
      refused++;
      expect(error, `bit ${bit}`).toBeInstanceOf(ClipError);
      expect(error.code).toMatch(/^WEIGHTS_/);
    }
    // What passes are flips in the text tower's names and in padding.
    expect(refused).toBeGreaterThan(tried / 3);
    (await loadClip(storeOf(folder))).dispose();
  });

  it.each<[string, (header: string) => string, RegExp]>([
    ['a length beyond the end', (h) => h.replace(/("data_offsets": ?\[\d+, ?)\d+/, '$1999999999'), /needs \d+ bytes/],
    ['a shape that lies', (h) => h.replace(/\[600, ?128\]/, '[600,129]'), /token_embedding\.weight/],
    ['an overlap', (h) => h.replace(/"data_offsets": ?\[(\d+), ?(\d+)\]/g, shiftBack), /overlaps .* by 4 bytes/],
    ['a type that lies', (h) => h.replace('"F32"', '"F64"'), /needs \d+ bytes/],
    ['a list instead of an object', () => '[1,2,3]', /JSON/],
  ])('whose header lies: %s', async (_, edit, message) => {
    const model = withHeader(edit);
    expect(model[WEIGHTS]).not.toEqual(bytes);
    const error = await refusal(model);
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toMatch(message);
  });

  it('lack a tensor: the error names it', async () => {
    const name = 'transformer.resblocks.1.mlp.c_fc.weight';
    const model = editTensors(folder, WEIGHTS, (c) => ({ ...c, tensors: c.tensors.filter((t) => t.name !== name) }));
    const error = await refusal(model);
    expect(error.code).toBe('WEIGHTS_MISSING');
    expect(error.message).toContain(name);
    (await loadClip(storeOf(model), { towers: ['image'] })).dispose();
  });

  it('have a tensor of another shape: the error names it, the expected and the found shape', async () => {
    const name = 'visual.conv1.weight';
    const change = { shape: [128, 3, 8, 8], data: new Uint8Array(128 * 3 * 64 * 4) };
    const error = await refusal(editTensors(folder, WEIGHTS, replaceTensor(name, change)));
    expect(error.code).toBe('WEIGHTS_SHAPE');
    for (const part of [name, '[128, 3, 8, 8]', '[128, 3, 16, 16]']) expect(error.message).toContain(part);
  });

  it('have a needed tensor of a type that cannot be read: the error names both', async () => {
    const change = { dtype: 'U8', data: new Uint8Array(128) };
    const error = await refusal(editTensors(folder, WEIGHTS, replaceTensor('ln_final.bias', change)));
    expect(error.code).toBe('WEIGHTS_DTYPE');
    expect(error.message).toContain('ln_final.bias');
    expect(error.message).toContain('U8');
  });

  it.each(['token_embedding.weight', 'visual.conv1.weight', 'ln_final.bias', 'logit_scale', 'visual.proj'])(
    'hold NaN or infinity in %s: found in either precision',
    async (name) => {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const model = editValues(folder, WEIGHTS, name, (values) => {
          values[values.length - 1] = value;
        });
        for (const precision of ['int8', 'f32']) {
          const error = await refusal(model, { precision });
          expect(error.code).toBe('WEIGHTS_VALUE');
          expect(error.message).toContain(name);
          expect(error.message).toContain(String(value));
        }
      }
    },
  );
});

describe('damaged packed weights', () => {
  const text = (edit: (checkpoint: Checkpoint) => Checkpoint) => editTensors(packed, 'text.safetensors', edit);
  const metadata = (change: Record<string, string>) => text((c) => ({ ...c, metadata: { ...c.metadata, ...change } }));

  it('of another layout version are refused with both versions', async () => {
    const error = await refusal(metadata({ layout: '999' }));
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toMatch(/layout 999, expected \d/);
  });

  it('of the other tower are refused', async () => {
    const error = await refusal({ ...packed, 'text.safetensors': packed['image.safetensors'] });
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toMatch(/tower image, expected text/);
  });

  it('of an unknown precision, or for another normalization of pixels, are refused', async () => {
    expect((await refusal(metadata({ precision: 'int4' }))).message).toMatch(/precision int4/);
    const config = new TextDecoder().decode(packed['open_clip_config.json']).replace('0.48145466', '0.5');
    const error = await refusal({ ...packed, 'open_clip_config.json': utf8(config) });
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toMatch(/mean \[0\.48145466.*expected \[0\.5,/);
  });

  it('of another shape are refused with tensor, expected and found', async () => {
    const name = 'ln_final.weight';
    const error = await refusal(text(replaceTensor(name, { shape: [64], data: new Uint8Array(256) })));
    expect(error.code).toBe('WEIGHTS_SHAPE');
    for (const part of [name, '[64]', '[128]']) expect(error.message).toContain(part);
  });

  it('without a tensor are refused with its name', async () => {
    const error = await refusal(text((c) => ({ ...c, tensors: c.tensors.slice(0, -1) })));
    expect(error.code).toBe('WEIGHTS_MISSING');
    expect(error.message).toContain('text_projection');
  });

  it('with two tensors in the other order are refused', async () => {
    const error = await refusal(
      text((c) => {
        const at = c.tensors.findIndex(({ name }) => name === 'ln_final.weight');
        const tensors = [...c.tensors];
        [tensors[at], tensors[at + 1]] = [tensors[at + 1], tensors[at]];
        return { ...c, tensors };
      }),
    );
    expect(error.code).toBe('WEIGHTS_FORMAT');
    expect(error.message).toMatch(/ln_final\.(weight|bias)/);
    expect(error.message).toContain('order');
  });

  it.each(['ln_final.bias', 'transformer.resblocks.0.mlp.c_fc.scale', 'token_embedding.scale'])(
    'with NaN or infinity in %s are refused, also when they are unpacked to f32',
    async (name) => {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const damaged = editValues(packed, 'text.safetensors', name, (values) => {
          values[3] = value;
        });
        const model = resealed(damaged, 'text.safetensors');
        for (const precision of ['int8', 'f32']) {
          const error = await refusal(model, { precision });
          expect(error.code).toBe('WEIGHTS_VALUE');
          expect(error.message).toContain(name);
          expect(await refusal(damaged, { precision })).toMatchObject({
            code: 'WEIGHTS_FORMAT',
            message: expect.stringContaining(`tensor ${name} do not have its checksum`),
          });
        }
      }
    },
  );

  it('truncated by a byte are refused', async () => {
    const cut = { ...packed, 'image.safetensors': packed['image.safetensors'].subarray(0, -1) };
    expect(await refusal(cut)).toMatchObject({ code: 'WEIGHTS_FORMAT', message: expect.stringContaining('truncated') });
  });

  it('in f32 give no int8: the error says what does', async () => {
    const error = await rejection(loadClip(storeOf(await pack(folder, 'f32'))));
    expect(error).toMatchObject({ code: 'WEIGHTS_FORMAT', message: expect.stringContaining('published weights') });
  });
});

describe('weights that are finite but absurd', () => {
  // Nothing while loading tells them from large ones: the embedding does.
  it.each(['int8', 'f32'] as const)('give an error instead of an embedding, in %s', async (precision) => {
    const name = 'visual.transformer.resblocks.0.mlp.c_fc.weight';
    const absurd = editValues(folder, WEIGHTS, name, (values) => {
      values.fill(3e38);
    });
    using clip = await loadClip(storeOf(absurd), { precision, towers: ['image'] });
    const { size } = clip.preprocess;
    const picture = { data: new Uint8Array(size * size * 3).map((_, i) => i * 31), width: size, height: size };
    expect(await rejection(clip.encodeImage(picture))).toMatchObject({
      code: 'WEIGHTS_VALUE',
      message: expect.stringMatching(/zero or not finite/),
    });
  });
});
