/** Tokenizers of models without a tokenizer.json. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ClipConfig } from '../../src/model/config.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { otherTokenizer } from '../../src/weights/tokenizer-text.ts';
import { rejection, storeOf, utf8 } from '../api/checkpoint.ts';
import { goldenPath } from '../model/golden.ts';

const json = readFileSync(goldenPath('clip-tokenizer/tokenizer.json'), 'utf8');
const { vocab, merges } = JSON.parse(json).model as { vocab: Record<string, number>; merges: [string, string][] };
const folder = {
  'vocab.json': utf8(JSON.stringify(vocab)),
  'merges.txt': utf8(`#version: 0.2\n${merges.map((pair) => pair.join(' ')).join('\n')}\n`),
};
const config = (source: ClipConfig['source'], vocabSize = 49_408) =>
  ({ source, text: { vocabSize, contextLength: 77 } }) as ClipConfig;
const TEXTS = ['a photo of a cat', "You should've done this", 'Déjà vu &amp; <|endoftext|> 12 33', '猫の写真', ''];

const ids = (text: string | undefined) => {
  const tokenizer = Tokenizer.fromJSON(text!, { contextLength: 77 });
  return TEXTS.map((one) => [...tokenizer.encode(one)]);
};

describe('vocab.json with merges.txt', () => {
  it('gives the ids of the same tokenizer.json', async () => {
    expect(ids(await otherTokenizer(storeOf(folder), config('huggingface')))).toEqual(ids(json));
    const windows = { ...folder, 'merges.txt': utf8(`\ufeff${Buffer.from(folder['merges.txt'])}`.replaceAll('\n', '\r\n').slice(1)) }; // biome-ignore format: one line
    expect(ids(await otherTokenizer(storeOf(windows), config('huggingface')))).toEqual(ids(json));
  });

  it('takes the tokens of added_tokens.json', async () => {
    const more = { ...folder, 'added_tokens.json': utf8('{"<my-toy>": 49408}') };
    const tokenizer = Tokenizer.fromJSON((await otherTokenizer(storeOf(more), config('huggingface')))!, { contextLength: 77 }); // biome-ignore format: one line
    expect([...tokenizer.encode('a photo of <my-toy> here')]).toEqual([49406, 320, 1125, 539, 49408, 763, 49407]);
  });

  it('needs both, and JSON', async () => {
    const { 'merges.txt': _, ...half } = folder;
    expect(await rejection(otherTokenizer(storeOf(half), config('huggingface')))).toMatchObject({ code: 'TOKENIZER', message: '"a store": there is a vocab.json, but no merges.txt' }); // biome-ignore format: one line
    const text = await otherTokenizer(storeOf({ ...folder, 'vocab.json': utf8('[') }), config('huggingface'));
    expect(() => Tokenizer.fromJSON(text!, { contextLength: 77 })).toThrow(/not JSON/);
  });
});

describe("OpenAI's vocabulary", () => {
  const from = (openaiTokenizer: () => Promise<string | undefined>) => ({ ...storeOf({}), openaiTokenizer });

  it('is taken for a text tower that it fits, of an OpenCLIP model, where the files know it', async () => {
    const files = from(async () => json);
    expect(await otherTokenizer(files, config('openclip'))).toBe(json);
    expect(await otherTokenizer(files, config('openclip', 32_000))).toBeUndefined();
    expect(await otherTokenizer(files, config('huggingface'))).toBeUndefined();
    expect(await otherTokenizer(storeOf({}), config('openclip'))).toBeUndefined();
  });
});
