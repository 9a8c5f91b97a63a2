import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { pooledLength } from '../../src/text/end-token.ts';
import { copyTokenIds } from '../../src/text/token-ids.ts';
import { readFolder, rejection, storeOf, utf8 } from '../api/checkpoint.ts';
import { goldenPath } from '../model/golden.ts';
import { tinyTokenizer } from './tiny-tokenizer.ts';

const byId = { contextLength: 8, vocabSize: 100, eot: { rule: 'id', id: 50 } } as const;
const argmax = { contextLength: 8, vocabSize: 100, eot: { rule: 'argmax' } } as const;

describe('copyTokenIds', () => {
  it.each<[string, unknown]>([
    ['an array', [98, 5, 99]],
    ['an Int32Array', Int32Array.of(98, 5, 99)],
    ['a Uint32Array', Uint32Array.of(98, 5, 99)],
    ['a Uint16Array', Uint16Array.of(98, 5, 99)],
    ['a Float32Array', Float32Array.of(98, 5, 99)],
    ['a BigInt64Array', BigInt64Array.of(98n, 5n, 99n)],
    ['an array of bigint', [98n, 5n, 99n]],
    ["another realm's", runInNewContext('Int32Array.of(98, 5, 99)')],
  ])('takes %s', (_name, ids) => {
    expect(copyTokenIds(ids, 0)).toEqual([98, 5, 99]);
    expect(Array.isArray(copyTokenIds(ids, 0))).toBe(true);
  });

  it.each<[string, unknown, string]>([
    ['a string', '1 2', '"1 2"'],
    ['a number', 7, '7'],
    ['null', null, 'null'],
    ['nothing', undefined, 'undefined'],
    ['a DataView', new DataView(new ArrayBuffer(4)), 'DataView'],
    ['an object with a length', { length: 2, 0: 1, 1: 2 }, 'Object'],
  ])('refuses %s', (_name, ids, came) => {
    expect(() => copyTokenIds(ids, 3)).toThrow(TypeError);
    expect(() => copyTokenIds(ids, 3)).toThrow(`row 3 is ${came}`);
  });

  it('keeps nothing of the list', () => {
    const ids = [98, 99];
    const copy = copyTokenIds(ids, 0);
    ids[0] = 1;
    expect(copy).toEqual([98, 99]);
  });
});

describe('pooledLength', () => {
  it('goes to the first token with the id of EOT', () => {
    expect(pooledLength([98, 5, 50, 50, 99], byId, 0)).toBe(3);
    expect(pooledLength([50], byId, 0)).toBe(1);
  });

  it('goes to the first of the largest id', () => {
    expect(pooledLength([98, 5, 99, 99, 0], argmax, 0)).toBe(3);
    expect(pooledLength([99], argmax, 0)).toBe(1);
  });

  it.each<[string, typeof byId | typeof argmax, number[], ...string[]]>([
    ['without EOT', byId, [98, 5, 17], 'row 2 has no end token: expected the id 50', '3 ids [98, 5, 17]'],
    [
      'that begins with the largest id',
      argmax,
      [98, 5, 17],
      'row 2 has no end token: expected the id 99',
      '[98, 5, 17]',
    ],
    ['of words alone', argmax, [5, 17], 'expected the id 99', '2 ids [5, 17]'],
    ['that was cut', argmax, [98, 1, 2, 3, 4, 5, 6, 7], 'expected the id 99', '8 ids [98, 1, 2, 3, 4, 5, 6, 7]'],
  ])('refuses a list %s', (_name, config, ids, ...parts) => {
    for (const part of parts) {
      expect(() => pooledLength(ids, config, 2)).toThrow(
        expect.objectContaining({ code: 'TOKENIZER', message: expect.stringContaining(part) }),
      );
    }
  });

  it("asks the tokenizer for EOT where tokens were added after it, and pools the largest id, as OpenAI's code does", () => {
    expect(pooledLength([96, 5, 97, 0], argmax, 0, () => 97)).toBe(3);
    expect(pooledLength([96, 99, 97], argmax, 0, () => 97)).toBe(2);
    expect(pooledLength([96, 98, 5, 97], argmax, 0, () => 97)).toBe(2);
    expect(() => pooledLength([96, 98, 5], argmax, 0, () => 97)).toThrow('expected the id 97');
    const unasked = () => expect.fail('the tokenizer is expensive');
    expect(pooledLength([98, 5, 99], argmax, 0, unasked)).toBe(3);
    expect(pooledLength([98, 5, 50], byId, 0, unasked)).toBe(3);
  });

  it.each<[string, number[], string]>([
    ['an empty list', [], 'row 4 has 0 token ids, expected 1 to 8'],
    ['a list that is too long', Array(9).fill(50), 'row 4 has 9 token ids, expected 1 to 8'],
    ['a negative id', [50, -1], 'row 4, token 1: expected an id from 0 to 99, got -1'],
    ['an id beyond the vocabulary', [100, 50], 'row 4, token 0: expected an id from 0 to 99, got 100'],
    ['a fraction', [50, 1.5], 'got 1.5'],
    ['NaN', [50, Number.NaN], 'got NaN'],
    ['a hole', new Array(2), 'row 4, token 0: expected an id from 0 to 99, got undefined'],
    ['a string', [50, '7'] as never, 'got "7"'],
    ['a huge bigint', copyTokenIds([2n ** 70n, 50n], 4), 'row 4, token 0'],
  ])('refuses %s', (_name, ids, message) => {
    for (const config of [byId, argmax]) {
      expect(() => pooledLength(ids, config, 4)).toThrow(RangeError);
      expect(() => pooledLength(ids, config, 4)).toThrow(message);
    }
  });
});

describe('a model with a tokenizer', () => {
  const load = (model: string, tokenizer: object) =>
    loadClip(storeOf({ ...readFolder(model), 'tokenizer.json': utf8(JSON.stringify(tokenizer)) }), {
      towers: ['text'],
    });

  it('embeds texts as their ids, whichever rule it has', async () => {
    for (const model of ['tiny-vit', 'tiny-vit-hf']) {
      using clip = await load(model, tinyTokenizer(600));
      const ids = clip.tokenize(['a cat', 'the end of it']);
      expect(ids.map(([bos, ...rest]) => [bos, rest.at(-1)])).toEqual([
        [598, 599],
        [598, 599],
      ]);
      const embeddings = await clip.encodeText(['a cat', 'the end of it']);
      expect(await clip.encodeTokens(ids)).toEqual(embeddings);
      expect(await clip.encodeTokens(ids.map((row) => BigInt64Array.from(row, BigInt)))).toEqual(embeddings);
      expect(embeddings[0]).not.toEqual(embeddings[1]);
      expect(await rejection(clip.encodeTokens([ids[0], ids[1].slice(0, -1)]))).toMatchObject({ code: 'TOKENIZER' });
    }
  });

  it('embeds texts with and without a token that was added after EOT', async () => {
    using clip = await load('tiny-vit', tinyTokenizer(599, ['<my-toy>']));
    expect(clip.tokenize(['<my-toy>', 'a'])).toEqual([
      [597, 599, 598],
      [597, 320, 598],
    ]);
    const [toy, a, other] = await clip.encodeText(['<my-toy>', 'a', 'b']);
    expect(new Set([toy, a, other].map(String)).size).toBe(3);
    // OpenAI's rule takes the largest id, which is the added token.
    expect(await clip.encodeTokens([[597, 599, 5, 598]])).toEqual([toy]);
    expect(await rejection(clip.encodeTokens([[597, 320]]))).toMatchObject({
      code: 'TOKENIZER',
      message: expect.stringContaining('expected the id 598'),
    });
  });
});

describe('R23: tokens without an end', () => {
  it('are refused by the call, whatever holds them; the next call gives the bits of a call of its own', async () => {
    using clip = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['text'] });
    const whole = [598, 5, 17, 599];
    const [lone] = await clip.encodeTokens([whole]);
    for (const rows of [[[598, 5, 17]], [Uint16Array.of(598, 5, 17)], [whole, [598, 5, 17]], [[598]]]) {
      await expect(clip.encodeTokens(rows)).rejects.toMatchObject({
        code: 'TOKENIZER',
        message: expect.stringContaining('has no end token: expected the id 599'),
      });
    }
    const [again, other] = await clip.encodeTokens([whole, [598, 6, 17, 599]]);
    expect(again).toEqual(lone);
    expect(other).not.toEqual(lone);
  });
});
