import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { readTokenizerFile } from '../../src/text/tokenizer-file.ts';
import { WORD_PATTERN } from '../../src/text/word-pattern.ts';

/** The embedded model's: CLIP's first 16,384 tokens. */
const text = readFileSync(new URL('../../weights/default/tokenizer.json', import.meta.url), 'utf8');
const { model, pre_tokenizer, added_tokens, ...rest } = JSON.parse(text);
const [split, bytes] = pre_tokenizer.pretokenizers;

/** The published file with parts replaced. */
const file = (parts: object) => ({ ...rest, model, pre_tokenizer, added_tokens, ...parts });
const withModel = (parts: object) => file({ model: { ...model, ...parts } });
const withVocab = (parts: object) => withModel({ vocab: { ...model.vocab, ...parts } });
const withSplit = (parts: object) => file({ pre_tokenizer: sequence({ ...split, ...parts }, bytes) });
const withAdded = (...tokens: unknown[]) => file({ added_tokens: [...added_tokens, ...tokens] });
const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers });

function without(...tokens: string[]): Record<string, number> {
  const vocab = { ...model.vocab };
  for (const token of tokens) delete vocab[token];
  return vocab;
}

describe('a tokenizer.json that is refused', () => {
  const nested = '['.repeat(1_000_000);
  const circular: Record<string, unknown> = { type: 'Split' };
  circular.pattern = circular;
  it.each<[string, string | object, ...string[]]>([
    ['no JSON', '<!DOCTYPE html>', 'not JSON'],
    ['truncated', text.slice(0, 5000), 'not JSON'],
    ['null', 'null', 'object'],
    ['a list', '[]', 'object'],
    ['empty', {}, 'model'],
    ['too long', ' '.repeat(2 ** 26 + 1), '67108865 characters', '67108864'],
    ['nested too deeply', `{"model": ${nested}`, 'nested more than 32 levels'],

    ['another model', withModel({ type: 'WordPiece' }), 'WordPiece'],
    ['no end of word', withModel({ end_of_word_suffix: '' }), 'end_of_word_suffix'],
    ['dropout', withModel({ dropout: 0.1 }), 'model.dropout', '0.1'],
    ['a prefix of subwords', withModel({ continuing_subword_prefix: '##' }), 'continuing_subword_prefix', '##'],
    ['merges that are passed by', withModel({ ignore_merges: true }), 'ignore_merges'],

    ['no vocabulary', withModel({ vocab: undefined }), 'vocab'],
    ['a vocabulary that is a list', withModel({ vocab: ['a'] }), 'vocab'],
    ['ids that are strings', withModel({ vocab: { a: '1' } }), 'vocab', '"a"', '"1"'],
    ['a negative id', withVocab({ zebra: -1 }), '"zebra"', '-1'],
    ['an id that no tower has a row for', withVocab({ zebra: 4_194_304 }), '"zebra"', '4194304', '0 to 4194303'],
    ['a token without end', withVocab({ ['x'.repeat(1025)]: 60_000 }), '1025 characters'],
    ['no letter a', withModel({ vocab: without('a') }), 'lacks "a"', '256 bytes'],
    ['no letter a at the end of a word', withModel({ vocab: without('a</w>') }), 'lacks "a</w>"'],
    ['no byte 0', withModel({ vocab: without('Ā') }), 'lacks "Ā"'],
    ['no byte 0xad', withModel({ vocab: without('Ń') }), 'lacks "Ń"'],
    ['two tokens with one id', withVocab({ zebra: 320 }), '"a</w>" and "zebra"', 'same id, 320'],
    [
      'BOS that is EOT',
      file({ added_tokens: [], model: { ...model, vocab: { ...model.vocab, '<|startoftext|>': 16383 } } }),
      '<|startoftext|>',
      '<|endoftext|>',
      'same id, 16383',
    ],
    [
      'no BOS',
      file({ added_tokens: [], model: { ...model, vocab: without('<|startoftext|>') } }),
      'no "<|startoftext|>"',
    ],
    ['no EOT', file({ added_tokens: [], model: { ...model, vocab: without('<|endoftext|>') } }), 'no "<|endoftext|>"'],

    ['no merges', withModel({ merges: undefined }), 'merges'],
    ['merges that are numbers', withModel({ merges: [1, 2] }), 'merges', 'position 0'],
    [
      'merges of three',
      withModel({
        merges: [
          ['i', 'n'],
          ['a', 'b', 'c'],
        ],
      }),
      'merges',
      'position 1',
    ],
    ['a merge of three in a string', withModel({ merges: ['i n', 'a b c'] }), '"a b c"', 'position 1'],
    ['a merge without a second part', withModel({ merges: ['in'] }), '"in"'],
    ['merges with holes', withModel({ merges: new Array(3) }), 'position 0', 'undefined'],
    [
      'a merge out of the vocabulary',
      withModel({ merges: [...model.merges, ['zz', 'qq']] }),
      '"zzqq"',
      'position 15870',
    ],
    ['more merges than tokens', withModel({ merges: new Array(4_194_305) }), '4194305', 'one for each token'],

    ['no pre-tokenizer', file({ pre_tokenizer: null }), 'pre_tokenizer'],
    ['an unknown pre-tokenizer', file({ pre_tokenizer: { type: 'Nonsense' } }), 'Nonsense'],
    ['the pre-tokenizer of old files', file({ pre_tokenizer: { ...bytes } }), 'ByteLevel', 'Sequence'],
    ['the split alone', file({ pre_tokenizer: sequence(split) }), 'Sequence'],
    ['the wrong order', file({ pre_tokenizer: sequence(bytes, split) }), 'ByteLevel', 'Split'],
    ['a step more', file({ pre_tokenizer: sequence(split, bytes, bytes) }), 'Sequence'],
    ['holes for steps', file({ pre_tokenizer: sequence(...new Array(2)) }), 'Split'],
    ['a circular step', file({ pre_tokenizer: sequence(circular, bytes) }), 'pattern'],
    ['an unknown pattern', withSplit({ pattern: { Regex: 'x' } }), 'pattern', '"x"'],
    ['a pattern that never ends', withSplit({ pattern: { Regex: '(\\w+\\s?)+$' } }), 'pattern'],
    ['a pattern that does not compile', withSplit({ pattern: { Regex: '(((' } }), 'pattern'],
    ["GPT-2's pattern", withSplit({ pattern: { Regex: "'s|'t| ?\\p{L}+| ?\\p{N}+" } }), 'pattern'],
    ['a plain string for a pattern', withSplit({ pattern: { String: ' ' } }), 'pattern'],
    ['no pattern', withSplit({ pattern: undefined }), 'pattern'],
    ['the gaps for words', withSplit({ invert: false }), 'invert false'],
    ['gaps that are kept', withSplit({ behavior: 'Isolated' }), 'Isolated'],
    [
      'a space before the text',
      file({ pre_tokenizer: sequence(split, { ...bytes, add_prefix_space: true }) }),
      'add_prefix_space',
    ],

    ['added tokens that are an object', file({ added_tokens: {} }), 'added_tokens'],
    ['an added token without id', withAdded({ content: 'x' }), 'added_tokens', 'position 2'],
    ['an added token without content', withAdded({ id: 16384 }), 'added_tokens', 'position 2'],
    ['holes for added tokens', file({ added_tokens: new Array(1) }), 'added_tokens', 'position 0'],
    ['a flag that is a word', withAdded({ id: 16384, content: 'x', lstrip: 'yes' }), 'lstrip "yes"'],
    [
      'an added token that is there already',
      withAdded({ id: 16384, content: '<x>' }, { id: 16385, content: '<x>' }),
      '"<x>" twice',
    ],
    [
      'two added tokens with one id',
      withAdded({ id: 16384, content: '<x>' }, { id: 16384, content: '<y>' }),
      '<y>',
      '16384',
    ],
    ['an added token with the id of another', withAdded({ id: 320, content: '<x>' }), '<x>', '320', 'expected 16384'],
    ['an added token with a second id', withAdded({ id: 16384, content: 'cat</w>' }), 'cat</w>', '16384', '2368'],
    ['a gap before an added token', withAdded({ id: 16500, content: '<x>' }), '<x>', '16500', 'expected 16384'],
    ['an added token without end', withAdded({ id: 16384, content: 'x'.repeat(1025) }), '1025 characters'],
    ['too many added tokens', file({ added_tokens: new Array(65_537) }), '65537', '65536'],
  ])('%s', (_name, json, ...parts) => {
    let error: unknown;
    try {
      Tokenizer.fromJSON(json);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ClipError);
    const { code, message } = error as ClipError;
    expect(code).toBe('TOKENIZER');
    expect(message.length).toBeLessThan(600);
    for (const part of ['tokenizer.json: ', ...parts]) expect(message).toContain(part);
  });
});

describe('a tokenizer.json that is accepted', () => {
  const cats = "A photo of 2 cats, isn't it? <|endoftext|>!";
  const ids = Tokenizer.fromJSON(text).encode(cats);

  it.each<[string, object]>([
    [
      'the pattern without special tokens, as transformers writes it',
      withSplit({ pattern: { Regex: WORD_PATTERN.split('endoftext\\|>|')[1] } }),
    ],
    ['ByteLevel without its options', file({ pre_tokenizer: sequence(split, { type: 'ByteLevel' }) })],
    ['merges as strings', withModel({ merges: model.merges.map((pair: string[]) => pair.join(' ')) })],
    ['no model type, as older files', withModel({ type: undefined })],
    ['no unknown token', withModel({ unk_token: null, fuse_unk: true, byte_fallback: true })],
    ['no added tokens', file({ added_tokens: undefined })],
    ['special tokens that are added only', withModel({ vocab: without('<|startoftext|>', '<|endoftext|>') })],
    ['any normalizer, post-processor and decoder', file({ normalizer: { type: 'x' }, post_processor: 7, decoder: [] })],
  ])('%s', (_name, json) => {
    expect(Tokenizer.fromJSON(json).encode(cats)).toEqual(ids);
    expect(Tokenizer.fromJSON(JSON.stringify(json)).encode(cats)).toEqual(ids);
    expect(Tokenizer.fromJSON(json).decode(ids.slice(1, 7))).toBe('a photo of 2 cats , ');
  });

  it('is not changed', () => {
    const json = JSON.parse(text);
    Tokenizer.fromJSON(json);
    expect(JSON.stringify(json)).toBe(JSON.stringify(JSON.parse(text)));
  });

  it('gives its parts', () => {
    const { endOfWord, merges, vocabulary, added } = readTokenizerFile(text);
    expect([endOfWord, merges.length, merges[0], vocabulary['cat</w>']]).toEqual(['</w>', 15_870, ['i', 'n'], 2368]);
    expect(added.map(({ content, normalized, special }) => [content, normalized, special])).toEqual([
      ['<|startoftext|>', true, true],
      ['<|endoftext|>', false, true],
    ]);
  });
});
