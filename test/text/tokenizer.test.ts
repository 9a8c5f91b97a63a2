import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Tokenizer } from '../../src/text/tokenizer.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const published = read('../golden/clip-tokenizer/tokenizer.json');
const tokenizer = Tokenizer.fromJSON(published);
const BOS = 49406;
const EOT = 49407;

describe("ids, against OpenAI's code", () => {
  const golden: { text: string; ids: number[] }[] = JSON.parse(read('../golden/tokenizer.json'));
  const uncut = Tokenizer.fromJSON(published, { contextLength: 1000 });
  it.each(golden.map(({ text, ids }) => [text.slice(0, 40), text, ids] as const))('%j', (_start, text, ids) => {
    expect(uncut.encode(text)).toEqual(ids);
    expect(tokenizer.encode(text)).toEqual(ids.length > 77 ? [...ids.slice(0, 76), EOT] : ids);
  });

  it('holds for every text of the cleaning fixture', () => {
    const { cases }: { cases: { text: string; ids: number[] }[] } = JSON.parse(read('../golden/cleaning.json'));
    for (const { text, ids } of cases) expect([text, tokenizer.encode(text)]).toEqual([text, ids]);
  });

  it("holds for the embedded model's smaller vocabulary", () => {
    const { texts, token_ids }: { texts: string[]; token_ids: number[][] } = JSON.parse(
      read('../golden/default/expected.json'),
    );
    const embedded = Tokenizer.fromJSON(JSON.parse(read('../../weights/default/tokenizer.json')));
    expect(texts.map((text) => embedded.encode(text))).toEqual(token_ids);
    expect([embedded.vocabSize, embedded.bos, embedded.eot]).toEqual([16384, 16382, 16383]);
  });

  // What ports of the tokenizer got wrong: contractions, digits, symbols, greedy matching, counting words.
  it.each([
    ["You should've done this", [592, 1535, 1200, 1700, 589]],
    [
      "A\n'll 11p223RF☆ho!!to? of a cat",
      [320, 1342, 272, 272, 335, 273, 273, 274, 16368, 13439, 2971, 748, 531, 286, 539, 320, 2368],
    ],
    [
      "The key is What will be Covid-19's long-term global economic impact?",
      [518, 1458, 533, 768, 751, 655, 622, 9284, 268, 272, 280, 568, 1538, 268, 4780, 2779, 5259, 3844, 286],
    ],
    ['1233', [272, 273, 274, 274]],
    ['12 33', [272, 273, 274, 274]],
    ['a photo of a ptarmigan', [320, 1125, 539, 320, 79, 2002, 714, 1670]],
  ])('%j', (text, ids) => {
    expect(tokenizer.encode(text)).toEqual([BOS, ...ids, EOT]);
  });

  it('cuts a long list of numbers and keeps EOT', () => {
    const text =
      'But the Commission cannot accept Amendments Nos 1 4 9 11 13 15 19 23 39 40 41 49 51 59 61 64 66 70 71 72 74 77 83 ' +
      '87 90 91 92 95 97 98 81 rev 100 101 103 and 107';
    const whole = Tokenizer.fromJSON(published, { contextLength: 200 }).encode(text);
    expect(whole).toHaveLength(82);
    const cut = tokenizer.encode(text);
    expect(cut).toHaveLength(77);
    expect(cut.slice(-2)).toEqual([271, EOT]);
    expect(cut.slice(0, 76)).toEqual(whole.slice(0, 76));
  });
});

describe('encode', () => {
  it('keeps BOS and EOT at any context length', () => {
    expect(Tokenizer.fromJSON(published, { contextLength: 2 }).encode('a cat')).toEqual([BOS, EOT]);
    expect(Tokenizer.fromJSON(published, { contextLength: 3 }).encode('a cat')).toEqual([BOS, 320, EOT]);
    expect(Tokenizer.fromJSON(published, { contextLength: 4 }).encode('a cat')).toEqual([BOS, 320, 2368, EOT]);
  });

  it('passes the cleaning options on', () => {
    const bare = Tokenizer.fromJSON(published, { htmlEntities: false, repairs: false });
    expect(bare.encode('cat &amp; dog')).toEqual(tokenizer.encode('cat & amp ; dog'));
    expect(bare.encode('ｃａｔ')).not.toEqual(tokenizer.encode('cat'));
    expect(tokenizer.encode('ｃａｔ')).toEqual(tokenizer.encode('cat'));
  });

  it('takes lone surrogates as U+FFFD', () => {
    const bare = Tokenizer.fromJSON(published, { repairs: false });
    for (const text of ['a \ud83d cat', 'a \udca9 cat']) {
      expect(tokenizer.encode(text)).toEqual(tokenizer.encode('a \ufffd cat'));
      expect(bare.encode(text)).toEqual(bare.encode('a \ufffd cat'));
    }
  });

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [7, 'number'],
    [['a'], 'an array'],
  ])('refuses %j, saying what came', (text, name) => {
    expect(() => tokenizer.encode(text as unknown as string)).toThrow(TypeError);
    expect(() => tokenizer.encode(text as unknown as string)).toThrow(name);
  });
});

// Quadratic time would be minutes; the limit leaves room for a busy machine.
describe('long texts', { timeout: 60_000 }, () => {
  it('are the same as their beginning', () => {
    const words = 'a photo of a cat, '.repeat(60_000);
    expect(tokenizer.encode(words)).toEqual(tokenizer.encode(words.slice(0, 2000)));
  });

  // Pseudo-random letters: pieces depend on what follows, unlike in a run of one letter.
  const letters = (length: number): string => {
    let state = 12345;
    let text = '';
    for (let i = 0; i < length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      text += 'etaoinshrdlucmfwyp'[(state >>> 16) % 18];
    }
    return text;
  };

  it.each([
    ['letters', letters(20_000)],
    ['one letter', 'a'.repeat(20_000)],
    ['two letters', 'ha'.repeat(10_000)],
    ['marks', '!?'.repeat(10_000)],
    ['kana', 'ひらがな'.repeat(5_000)],
    ['letters and full stops', 'a.'.repeat(10_000)],
    ['letters, then many words', `${'ha'.repeat(10_000)}${'.a'.repeat(50)}`],
  ])('of one word are encoded as if the whole word were: %s', (_name, text) => {
    // At a context length beyond the word, nothing is cut and no shortcut taken.
    const whole = Tokenizer.fromJSON(published, { contextLength: 100_000 }).encode(text);
    expect(whole.length).toBeGreaterThan(1000);
    for (const contextLength of [77, 40, 5]) {
      const ids = Tokenizer.fromJSON(published, { contextLength }).encode(text);
      expect(ids).toEqual([...whole.slice(0, contextLength - 1), EOT]);
    }
  });

  it.each([
    ['letters', letters(1_000_000)],
    ['one letter', 'a'.repeat(1_000_000)],
    ['marks', '!'.repeat(1_000_000)],
    ['digits', '7'.repeat(1_000_000)],
    ['emoji', '😂'.repeat(250_000)],
  ])('of a million characters end: %s', (_name, text) => {
    const ids = tokenizer.encode(text);
    expect(ids).toHaveLength(77);
    expect(ids).toEqual(tokenizer.encode(text.slice(0, 10_000)));
  });
});

describe('decode', () => {
  it("gives words followed by spaces, as OpenAI's does", () => {
    expect(tokenizer.decode(tokenizer.encode('A café, naïve 日本').slice(1, -1))).toBe('a café , naïve 日本 ');
    expect(tokenizer.decode([BOS, 2368, EOT])).toBe('<|startoftext|>cat <|endoftext|>');
    expect(tokenizer.decode([])).toBe('');
  });

  it('refuses ids out of the vocabulary', () => {
    expect(() => tokenizer.decode([320, 49408])).toThrow(RangeError);
    expect(() => tokenizer.decode([320, 49408])).toThrow('49408');
  });
});

describe('a context length', () => {
  it.each([1, 0, -1, 2.5, Number.NaN])('of %d is a RangeError', (contextLength) => {
    expect(() => Tokenizer.fromJSON(published, { contextLength })).toThrow(RangeError);
  });
});
