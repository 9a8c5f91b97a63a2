import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { goldenPath, readGolden } from '../model/golden.ts';
import { readFolder, rejection, storeOf, utf8 } from './checkpoint.ts';
import { BOS, EOT, tokenRows } from './token-ids.ts';

const clip = await loadClip(undefined, { towers: ['text'] });
const argmax = await loadClip(goldenPath('tiny-vit'), { towers: ['text'] });
const byId = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['text'] });
afterAll(() => {
  for (const one of [clip, argmax, byId]) one.dispose();
});

const notStrings: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', 3],
  ['an object', {}],
];

describe('encodeText', () => {
  it('gives a vector of length one for a text, an array for an array, in order', async () => {
    const cat = await clip.encodeText('a photo of a cat');
    expect(cat).toHaveLength(clip.info().embedDim);
    expect(Math.hypot(...cat)).toBeCloseTo(1, 6);
    const dog = await clip.encodeText('a photo of a dog');
    expect(dog).not.toEqual(cat);
    expect(await clip.encodeText(['a photo of a dog', 'a photo of a cat'])).toEqual([dog, cat]);
    expect(await clip.encodeText([])).toEqual([]);
  });

  it('gives equal texts equal vectors, each its own', async () => {
    const [first, other, second] = await clip.encodeText(['a cat', 'a dog', 'a cat']);
    expect(second).toEqual(first);
    const kept = second.slice();
    first.fill(0);
    expect(second).toEqual(kept);
    expect(other).toEqual(await clip.encodeText('a dog'));
  });

  it('leaves the length as the tower gives it where that is asked for', async () => {
    const unit = await clip.encodeText('a cat');
    const raw = await clip.encodeText('a cat', { normalize: false });
    const length = Math.hypot(...raw);
    expect(Math.abs(length - 1)).toBeGreaterThan(0.01);
    for (const [i, value] of raw.entries()) expect(value / length).toBeCloseTo(unit[i], 6);
  });

  it('embeds the empty text, which is BOS and EOT', async () => {
    const [ids] = clip.tokenize(['']);
    expect(ids).toHaveLength(2);
    const empty = await clip.encodeText('');
    expect(empty.every(Number.isFinite)).toBe(true);
    expect(await clip.encodeTokens([ids])).toEqual([empty]);
    expect(await clip.encodeText(' \n\t ')).toEqual(empty);
  });

  it('cuts 10,000 characters at the context length and keeps EOT', async () => {
    for (const text of ['a cat and '.repeat(1000), 'x'.repeat(10_000), '猫'.repeat(10_000)]) {
      const [ids] = clip.tokenize([text]);
      expect(ids).toHaveLength(77);
      expect(ids[76]).toBe(clip.tokenize([''])[0][1]);
      const [embedding] = await clip.encodeText([text]);
      expect(embedding.every(Number.isFinite)).toBe(true);
      expect(await clip.encodeText(text.slice(0, 9000))).toEqual(embedding);
    }
  });

  it('tokenizes, then embeds the ids', async () => {
    const { texts, token_ids } = readGolden<{ texts: string[]; token_ids: number[][] }>('default/expected.json');
    expect(clip.tokenize(texts)).toEqual(token_ids);
    expect(await clip.encodeTokens(token_ids)).toEqual(await clip.encodeText(texts));
  });

  it('switches off the unescaping of entities at loading', async () => {
    using plain = await loadClip(undefined, { towers: ['text'], htmlEntities: false });
    expect(await clip.encodeText('cat &amp; dog')).toEqual(await clip.encodeText('cat & dog'));
    expect(await plain.encodeText('cat &amp; dog')).not.toEqual(await clip.encodeText('cat & dog'));
    expect(await plain.encodeText('a cat')).toEqual(await clip.encodeText('a cat'));
  });

  it.each(notStrings)('refuses %s with a TypeError', async (_, text) => {
    expect(await rejection(clip.encodeText(text as string))).toBeInstanceOf(TypeError);
    expect(await rejection(clip.encodeText(['a cat', text as string]))).toBeInstanceOf(TypeError);
    expect(() => clip.tokenize([text as string])).toThrow(TypeError);
  });

  it('needs a tokenizer, and says what works without', async () => {
    const error = await rejection(byId.encodeText('a cat'));
    expect(error).toMatchObject({ name: 'ClipError', code: 'TOKENIZER' });
    expect(error.message).toContain('encodeTokens');
    expect(() => byId.tokenize(['a cat'])).toThrow(expect.objectContaining({ code: 'TOKENIZER' }));
    expect(await rejection(byId.classifier(['cat', 'dog']))).toMatchObject({ code: 'TOKENIZER' });
    expect(byId.info().text?.tokenizer).toBe(false);
    expect(clip.info().text?.tokenizer).toBe(true);
    expect(await byId.encodeTokens([[BOS, 5, EOT]])).toHaveLength(1);
  });

  it('refuses a tokenizer with more ids than the tower has rows', async () => {
    const json = readFileSync(goldenPath('clip-tokenizer/tokenizer.json'), 'utf8');
    const store = storeOf({ ...readFolder('tiny-vit-hf'), 'tokenizer.json': utf8(json) });
    using clip = await loadClip(store, { towers: ['text'] });
    const error = await rejection(clip.encodeText('a cat'));
    expect(error).toMatchObject({ code: 'TOKENIZER' });
    expect(error.message).toContain('49408 tokens');
    expect(error.message).toContain('600');
  });

  it('stops between two chunks by its signal, and reports each that is done', async () => {
    const texts = Array.from({ length: 200 }, (_, i) => `${i} things of number ${i}`);
    const expected = await clip.encodeText(texts);
    const controller = new AbortController();
    const reason = new Error('enough');
    const seen: { done: number; total: number }[] = [];
    const stopped = clip.encodeText(texts, {
      signal: controller.signal,
      onProgress(progress) {
        seen.push(progress);
        if (seen.length === 2) controller.abort(reason);
      },
    });
    expect(await rejection(stopped)).toBe(reason);
    expect(seen).toHaveLength(2);
    expect(seen[1].done).toBeGreaterThan(seen[0].done);
    expect(seen[1].done).toBeLessThan(seen[1].total);
    expect(await rejection(clip.encodeText('a cat', { signal: controller.signal }))).toBe(reason);

    let last = { done: 0, total: 0 };
    const whole = await clip.encodeText(texts, {
      onProgress: (progress) => {
        last = progress;
      },
    });
    expect(last).toEqual({ done: 200, total: 200 });
    expect(whole).toEqual(expected);
  });
});

describe('encodeTokens', () => {
  it.each<[string, number[][], string[]]>([
    ['an empty row', [[BOS, EOT], []], ['row 1', '0 token ids']],
    ['a row longer than the context', [Array(78).fill(BOS)], ['row 0', '78 token ids', '77']],
    [
      'an id beyond the vocabulary',
      [
        [BOS, EOT],
        [BOS, 600],
      ],
      ['row 1', 'token 1', '600', '599'],
    ],
    ['a negative id', [[-1]], ['row 0', 'token 0', '-1']],
    ['a broken id', [[BOS, 1.5]], ['token 1', '1.5']],
    ['an id that is none', [[BOS, Number.NaN]], ['token 1', 'NaN']],
  ])('refuses %s with a RangeError that names the place', async (_, rows, parts) => {
    for (const model of [argmax, byId]) {
      const error = await rejection(model.encodeTokens(rows));
      expect(error).toBeInstanceOf(RangeError);
      for (const part of parts) expect(error.message).toContain(part);
    }
  });

  it('refuses ids that are not arrays with a TypeError', async () => {
    expect(await rejection(byId.encodeTokens([BOS, EOT] as never))).toBeInstanceOf(TypeError);
    expect(await rejection(byId.encodeTokens(['ab'] as never))).toBeInstanceOf(TypeError);
  });

  it('does not care what comes after EOT', async () => {
    for (const model of [argmax, byId]) {
      const [text] = await model.encodeTokens([[BOS, 17, 4, EOT]]);
      for (const rest of [[0], [0, 0, 0, 0], [EOT, EOT], [17, 4, EOT], Array(73).fill(1)]) {
        expect(await model.encodeTokens([[BOS, 17, 4, EOT, ...rest]])).toEqual([text]);
      }
      expect(await model.encodeTokens([[BOS, 17, 5, EOT]])).not.toEqual([text]);
    }
  });

  it('refuses a list without EOT, which would pool the first token or some word', async () => {
    for (const model of [argmax, byId]) {
      for (const row of [[BOS, 5, 17], [5, 17], [BOS]]) {
        const error = await rejection(model.encodeTokens([[BOS, EOT], row]));
        expect(error).toMatchObject({ name: 'ClipError', code: 'TOKENIZER' });
        for (const part of ['row 1', String(EOT), row.join(', ')]) expect(error.message).toContain(part);
      }
    }
  });

  it('takes typed arrays', async () => {
    const expected = await byId.encodeTokens([[BOS, 17, EOT]]);
    for (const row of [Int32Array.of(BOS, 17, EOT), Uint16Array.of(BOS, 17, EOT), BigInt64Array.of(598n, 17n, 599n)]) {
      expect(await byId.encodeTokens([row])).toEqual(expected);
    }
  });

  it('does not look at the lists again once it was called', async () => {
    const [expected] = await byId.encodeTokens([[BOS, 17, 4, EOT]]);
    const rows = [[BOS, 17, 4, EOT]];
    const pending = byId.encodeTokens(rows);
    rows[0].fill(3);
    rows.length = 0;
    expect(await pending).toEqual([expected]);
  });
});

it.each(['int8', 'f32'] as const)(
  'a batch in %s has the bits of lone runs, whatever shares its beginnings',
  async (precision) => {
    using clip = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['text'], precision });
    const rows = tokenRows(320);
    expect(new Set(rows.map((row) => row.length)).size).toBe(70);
    expect(new Set(rows.map(String)).size).toBeLessThan(320);
    const batch = await clip.encodeTokens(rows);
    for (const [i, row] of rows.entries()) {
      const [alone] = await clip.encodeTokens([row]);
      expect(batch[i], `row ${i} of ${row.length} tokens`).toEqual(alone);
    }
    const backwards = await clip.encodeTokens(rows.toReversed());
    expect(backwards.reverse()).toEqual(batch);
  },
);
