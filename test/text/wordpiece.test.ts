/** BERT's tokenizer, against Hugging Face's tokenizers with OpenCLIP's cleaning (test/oracle/wordpiece.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WordPiece } from '../../src/text/wordpiece.ts';
import { otherTokenizer } from '../../src/weights/tokenizer-text.ts';
import { storeOf, utf8 } from '../api/checkpoint.ts';
import { goldenPath } from '../model/golden.ts';

type Case = { text: string } & Record<'whitespace' | 'stripped' | 'canonicalize' | 'cased', number[]>;
const golden = JSON.parse(readFileSync(goldenPath('wordpiece.json'), 'utf8'));
const { context_length: contextLength, tokenizer: file } = golden;
const cases = golden.cases as Case[];
const vocab: Record<string, number> = file.model.vocab;

/** The published file with parts replaced. */
const changed = (parts: object) => ({ ...file, ...parts });

describe('WordPiece', () => {
  const lower = WordPiece.forTower(file, { contextLength });
  const stripped = WordPiece.forTower(file, { contextLength, stripSeparator: true });
  const canonical = WordPiece.forTower(file, { contextLength, cleaning: 'canonicalize' });
  const cased = WordPiece.forTower(changed({ normalizer: { ...file.normalizer, lowercase: false } }), {
    contextLength,
  });

  it.each(cases)('of $text gives the published ids', ({ text, ...ids }) => {
    expect(lower.encode(text)).toEqual(ids.whitespace);
    expect(stripped.encode(text)).toEqual(ids.stripped);
    expect(canonical.encode(text)).toEqual(ids.canonicalize);
    expect(cased.encode(text)).toEqual(ids.cased);
  });

  it('decodes, with whole words', () => {
    expect(lower.decode(lower.encode('Unaffable cats'))).toBe('[CLS] unaffable cats [SEP]');
    expect(() => lower.decode([vocab.a!, 5000])).toThrow(RangeError);
  });

  it('takes a megabyte without spaces, or of marks, as it comes', () => {
    expect(lower.encode('x'.repeat(1_000_000))).toEqual([vocab['[CLS]'], vocab['[UNK]'], vocab['[SEP]']]);
    expect(lower.encode(`a${'\u0301\u0323'.repeat(500_000)}`)).toEqual([vocab['[CLS]'], vocab.a, vocab['[SEP]']]);
    expect(lower.encode('a '.repeat(500_000))).toHaveLength(contextLength);
  });

  it.each<[string, object, RegExp]>([
    ['another normalizer', changed({ normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' } } }), /normalizer/],
    ['no normalizer', changed({ normalizer: null }), /the normalizer is null/],
    ['another pre-tokenizer', changed({ pre_tokenizer: { type: 'Whitespace' } }), /pre-tokenizer .*"Whitespace"/],
    ['no [CLS]', changed({ model: { ...file.model, vocab: { ...vocab, '[CLS]': undefined } } }), /"\[CLS\]"|\[CLS\]/],
    ['an unknown token outside', changed({ model: { ...file.model, unk_token: '<unk>' } }), /lacks the unknown token/],
    ['ids that are texts', changed({ model: { ...file.model, vocab: { ...vocab, cat: '7' } } }), /"cat"/],
    ['a word of any length', changed({ model: { ...file.model, max_input_chars_per_word: 1e9 } }), /max_input_chars/],
    ['an added token of another kind', changed({ added_tokens: [{ ...file.added_tokens[0], lstrip: true }] }), /PAD/],
  ])('refuses %s by name', (_, json, message) => {
    expect(() => WordPiece.forTower(json)).toThrow(message);
  });

  it('refuses more tokens than the tower has rows', () => {
    expect(() => WordPiece.forTower(file, {}, 20)).toThrow(/expected at most 20, the rows of the text tower/);
  });

  it("reads BERT's vocab.txt", async () => {
    const lines = Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!);
    const text = { vocabSize: lines.length } as never;
    const json = await otherTokenizer(storeOf({ 'vocab.txt': utf8(`${lines.join('\r\n')}\r\n`) }), {
      source: 'openclip',
      embedDim: 8,
      text,
    });
    const tokenizer = WordPiece.forTower(json!, { contextLength });
    for (const { text, whitespace } of cases) expect(tokenizer.encode(text)).toEqual(whitespace);
  });
});
