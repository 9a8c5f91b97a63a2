import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Tokenizer, type TokenizerOptions } from '../../src/text/tokenizer.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const { added_tokens, ...published } = JSON.parse(read('../golden/clip-tokenizer/tokenizer.json'));
const plain = Tokenizer.fromJSON({ ...published, added_tokens });
const BOS = 49406;
const EOT = 49407;

interface Added {
  content: string;
  id: number;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
  special?: boolean;
}

function withTokens(added: Added[], options: TokenizerOptions = {}): Tokenizer {
  return Tokenizer.fromJSON({ ...published, added_tokens: [...added_tokens, ...added] }, options);
}

describe("added tokens, against Hugging Face's tokenizers library", () => {
  const golden: { cases: { added: Added[]; texts: Record<string, number[]> }[] } = JSON.parse(
    read('../golden/added-tokens.json'),
  );
  const cases = golden.cases.map(({ added, texts }) => [JSON.stringify(added.map(flags)), added, texts] as const);

  /** The content, and which flags are set. */
  function flags(token: Added): string[] {
    return Object.entries(token).flatMap(([name, value]) =>
      value === true ? [name] : name === 'content' ? [value] : [],
    );
  }

  it.each(cases)('%s', (_name, added, texts) => {
    const tokenizer = withTokens(added);
    for (const [text, ids] of Object.entries(texts)) expect([text, tokenizer.encode(text)]).toEqual([text, ids]);
  });

  it('B05: are found whatever flags are missing in the file', () => {
    expect(withTokens([{ id: 49408, content: '<my-toy>' }]).encode('a photo of <my-toy> here')).toEqual([
      BOS,
      320,
      1125,
      539,
      49408,
      763,
      EOT,
    ]);
  });
});

describe('added tokens and cleaning', () => {
  const toy = (rest: Partial<Added> = {}) => withTokens([{ id: 49408, content: '<my-toy>', ...rest }]);

  it('leave every text without them as it is', () => {
    const texts: { text: string; ids: number[] }[] = [
      ...JSON.parse(read('../golden/cleaning.json')).cases,
      ...JSON.parse(read('../golden/tokenizer.json')),
    ].filter(({ text }) => !text.includes('<my-toy>'));
    for (const tokenizer of [toy(), toy({ normalized: false })]) {
      for (const { text, ids } of texts) {
        expect([text, tokenizer.encode(text)]).toEqual([text, ids.length > 77 ? [...ids.slice(0, 76), EOT] : ids]);
      }
    }
  });

  it("apply OpenAI's repairs around them", () => {
    for (const tokenizer of [toy(), toy({ normalized: false })]) {
      expect(tokenizer.encode('“schÃ¶n” &amp;amp; <my-toy>‘s LOUD')).toEqual([
        ...plain.encode('"schön" &').slice(0, -1),
        49408,
        ...plain.encode("'s loud").slice(1),
      ]);
    }
  });

  it('find a normalized one after the repairs, a raw one before', () => {
    const [normalized, raw] = [toy(), toy({ normalized: false })];
    expect(normalized.encode('&lt;my-toy&gt; ＜ＭＹ-ＴＯＹ＞')).toEqual([BOS, 49408, 49408, EOT]);
    expect(raw.encode('&lt;my-toy&gt;')).toEqual(plain.encode('<my-toy>'));
  });

  it('clean the content of a normalized one as the text', () => {
    const tokenizer = withTokens([{ id: 49408, content: '“Ｔｏｙ” &amp; co' }]);
    expect(tokenizer.encode('the "toy" & co &amp; “TOY”  &  CO')).toEqual([
      BOS,
      518,
      49408,
      ...plain.encode('&').slice(1, -1),
      49408,
      EOT,
    ]);
  });

  it('strip the ends of the text alone', () => {
    const bare = withTokens([{ id: 49408, content: '<my-toy>', normalized: false }], { repairs: false });
    const unit = plain.encode('\x1ca\x1c').length; // stripped by Python's str.strip, a symbol elsewhere
    expect(unit).toBe(3);
    expect(bare.encode('\x1ca<my-toy>a\x1c')).toEqual([BOS, 320, 49408, 320, EOT]);
    expect(bare.encode('a\x1c<my-toy>')).toHaveLength(5);
  });

  it('leave BOS and EOT in a text to the word pattern', () => {
    const text = '!<|endoftext|> a<|ENDOFTEXT|>b <|startoftext|> <my-toy>';
    const expected = plain.encode(text.replace('<my-toy>', ''));
    expect(toy().encode(text)).toEqual([...expected.slice(0, -1), 49408, EOT]);
  });
});

describe('added tokens and length', () => {
  it('count toward the context length', () => {
    const tokenizer = withTokens([{ id: 49408, content: '<my-toy>' }], { contextLength: 6 });
    expect(tokenizer.encode('<my-toy>'.repeat(10))).toEqual([BOS, 49408, 49408, 49408, 49408, EOT]);
    expect(tokenizer.encode('a cat <my-toy> and <my-toy>')).toEqual([BOS, 320, 2368, 49408, 537, EOT]);
  });

  it('are found across the parts in which a long text is read', () => {
    const tokenizer = withTokens([{ id: 49408, content: 'new york' }], { contextLength: 10_000 });
    for (let spaces = 0; spaces < 20; spaces++) {
      const ids = tokenizer.encode(`${'x'.repeat(spaces)} ${'new york '.repeat(1000)}`);
      expect(ids.filter((id) => id === 49408)).toHaveLength(1000);
    }
  });

  it('are found in linear time', () => {
    const content = '<'.repeat(500);
    const tokenizer = withTokens([{ id: 49408, content: `${content}>`, lstrip: true, rstrip: true }]);
    expect(tokenizer.encode(`${'< '.repeat(1_000_000)}`)).toHaveLength(77);
    expect(tokenizer.encode(`${' '.repeat(1_000_000)}${content}>${' '.repeat(1_000_000)}`)).toEqual([BOS, 49408, EOT]);
  });

  it('are rows of the token embedding, and come back by decode', () => {
    const tokenizer = withTokens([{ id: 49408, content: '<my-toy>' }]);
    expect(tokenizer.vocabSize).toBe(49409);
    expect(tokenizer.decode([320, 49408, 2368])).toBe('a <my-toy>cat ');
  });
});
