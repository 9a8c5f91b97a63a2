/** SentencePiece's tokenizers, against Hugging Face's tokenizers with OpenCLIP's cleaning (test/oracle/unigram.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Charsmap } from '../../src/text/charsmap.ts';
import { Unigram } from '../../src/text/unigram.ts';
import { goldenPath } from '../model/golden.ts';

const text = readFileSync(goldenPath('unigram.json'), 'utf8');
const golden = JSON.parse(text);
/** The table of normalization stands once in the file. */
const whole = (file: object) => JSON.parse(JSON.stringify(file).replace('"charsmap"', () => `"${golden.charsmap}"`));
const { context_length: contextLength } = golden;
const [xlmFile, t5File] = [whole(golden.xlm), whole(golden.t5)];
const cases = golden.cases as ({ text: string } & Record<'xlm' | 't5' | 'plain', number[]>)[];

const xlm = Unigram.forTower(xlmFile, { contextLength });
const t5 = Unigram.forTower(t5File, { contextLength, cleaning: 'canonicalize' });
const plain = Unigram.forTower(t5File, { contextLength, cleaning: 'whitespace' });

describe('Unigram', () => {
  it.each(cases)('of $text gives the published ids', ({ text, ...ids }) => {
    expect(xlm.encode(text)).toEqual(ids.xlm);
    expect(t5.encode(text)).toEqual(ids.t5);
    expect(plain.encode(text)).toEqual(ids.plain);
  });

  it('decodes', () => {
    expect(xlm.decode(xlm.encode('a photo of a cat'))).toBe('<s> a photo of a cat</s>');
    expect(() => xlm.decode([1e6])).toThrow(RangeError);
    expect(() => xlm.encode(5 as never)).toThrow('text must be a string, got a number');
    expect([xlm.vocabSize, xlm.eot, t5.vocabSize, t5.eot]).toEqual([1202, 2, 1458, 1]);
  });

  it.each(['x', 'a ', '猫', 'cat', 'e\u0301', '\u0301', '<mask>', '&amp;', '\u2581', ' '])(
    'takes 200,000 characters of %j as they come',
    (text) => {
      for (const one of [xlm, plain]) {
        const ids = one.encode(text.repeat(200_000 / text.length));
        expect(ids.length).toBeLessThanOrEqual(contextLength);
        expect(ids.at(-1)).toBe(one.eot);
      }
    },
  );

  const changed = (parts: object, model: object = {}) => ({
    ...xlmFile,
    ...parts,
    model: { ...xlmFile.model, ...model },
  });
  const metaspace = xlmFile.pre_tokenizer.pretokenizers[1];
  const { vocab } = xlmFile.model;
  it.each<[string, object, RegExp]>([
    [
      'another normalizer',
      changed({ normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: ' ' } }),
      /the normalizer has .*"Replace"/,
    ],
    ['lower case', changed({ normalizer: { type: 'Sequence', normalizers: [{ type: 'Lowercase' }] } }), /"Lowercase"/],
    [
      'a table that is none',
      changed({ normalizer: { type: 'Precompiled', precompiled_charsmap: '!' } }),
      /it is not base64/,
    ],
    ['a table with a trie that is too long', changed({ normalizer: { type: 'Precompiled', precompiled_charsmap: 'AP///w==' } }), /its trie of \d+ bytes does not fit into its 4 bytes/], // biome-ignore format: one line
    [
      'no space before a word',
      changed({ pre_tokenizer: { ...metaspace, prepend_scheme: 'never' } }),
      /the pre-tokenizer is/,
    ],
    ['words that are not split', changed({ pre_tokenizer: { ...metaspace, split: false } }), /the pre-tokenizer is/],
    ['another post-processor', changed({ post_processor: null }), /the post-processor is null/],
    [
      'no end',
      changed({ post_processor: { ...xlmFile.post_processor, single: [{ Sequence: { id: 'A' } }] } }),
      /no end token/,
    ],
    [
      'scores that are texts',
      changed({}, { vocab: [...vocab.slice(0, 5), ['x', '1']] }),
      /at position 5, expected a piece and its score/,
    ],
    ['a piece without an end', changed({}, { vocab: [...vocab, ['x'.repeat(5000), 0]] }), /a piece of 5000 characters/],
    ['an unknown id outside', changed({}, { unk_id: 9999 }), /"model.unk_id" is 9999/],
    ['BPE', changed({}, { type: 'BPE' }), /not of the type "Unigram"/],
  ])('refuses %s by name', (_, json, message) => {
    expect(() => Unigram.forTower(json)).toThrow(message);
  });

  it('reads what older files say in other words', () => {
    const older = { type: 'Metaspace', replacement: '▁', add_prefix_space: true };
    const pre_tokenizer = { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, older] };
    const tokenizer = Unigram.forTower(changed({ pre_tokenizer }), { contextLength });
    for (const { text, xlm } of cases.slice(0, 30)) expect(tokenizer.encode(text)).toEqual(xlm);
  });

  it('refuses more pieces than the tower has rows, and a context without room', () => {
    expect(() => Unigram.forTower(xlmFile, {}, 20)).toThrow(/expected at most 20, the rows of the text tower/);
    expect(() => Unigram.forTower(xlmFile, { contextLength: 1 })).toThrow(RangeError);
  });
});

describe('the normalization by a table', () => {
  const table = new Charsmap(golden.charsmap);

  it('gives the published text of letters, signs and marks', () => {
    for (const [before, after] of golden.normalized as [string, string][]) expect(table.normalize(before)).toBe(after);
  });

  it('takes any table of the right length: a damaged one ends, too', () => {
    const bytes = Buffer.from(golden.charsmap, 'base64');
    let state = 17;
    for (let i = 4; i < bytes.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      bytes[i] = state >>> 24;
    }
    const damaged = new Charsmap(bytes.toString('base64'));
    for (const [before] of golden.normalized as [string, string][])
      expect(typeof damaged.normalize(before)).toBe('string');
  });
});
