import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CleaningOptions, cleanText } from '../../src/text/cleaning.ts';

interface Case {
  text: string;
  cleaned: string;
  withoutEntities?: string;
  withoutRepairs?: string;
  bare?: string;
}
const golden: { cases: Case[] } = JSON.parse(readFileSync(new URL('../golden/cleaning.json', import.meta.url), 'utf8'));

/** The cases that come out differently, as [text, ours, theirs]. */
function differences(variant: 'cleaned' | 'withoutEntities' | 'withoutRepairs' | 'bare', options: CleaningOptions) {
  return golden.cases
    .map((entry) => [entry.text, cleanText(entry.text, options), entry[variant] ?? entry.cleaned])
    .filter(([, ours, theirs]) => ours !== theirs);
}

describe("cleaning, against OpenAI's code with ftfy", () => {
  it('repairs, unescapes, collapses and lowers by default', () => {
    expect(golden.cases.length).toBeGreaterThan(400);
    expect(differences('cleaned', {})).toEqual([]);
  });

  it('leaves HTML entities alone on demand', () => {
    expect(golden.cases.filter((entry) => entry.withoutEntities !== undefined).length).toBeGreaterThan(20);
    expect(differences('withoutEntities', { htmlEntities: false })).toEqual([]);
  });

  it('leaves mojibake, quotes and widths alone on demand', () => {
    expect(golden.cases.filter((entry) => entry.withoutRepairs !== undefined).length).toBeGreaterThan(100);
    expect(differences('withoutRepairs', { repairs: false })).toEqual([]);
  });

  it("comes down to Hugging Face's normalizer without both", () => {
    expect(differences('bare', { htmlEntities: false, repairs: false })).toEqual([]);
  });
});

describe('cleaning of hostile texts', { timeout: 60_000 }, () => {
  // Each of these takes minutes where a step is quadratic, and so fails by the test's time limit.
  const million = 1_000_000;
  it.each([
    ['spaces inside', `a${' '.repeat(million)}b`, 'a b'],
    ['nested ampersands', `&${'amp;'.repeat(million / 4)}`, undefined],
    ['nested numeric ampersands', `&${'#38;'.repeat(million / 4)}`, undefined],
    ['combining marks', `a${'\u0301\u0323'.repeat(million / 2)}`, undefined],
    ['ampersands', '&'.repeat(million), '&'.repeat(million)],
    ['escapes', '\x1b['.repeat(million / 2), '['.repeat(million / 2)],
    ['mojibake', 'Ã©'.repeat(million / 2), 'é'.repeat(million / 2)],
    ['mojibake beside good text', `日${'Ã© '.repeat(million / 4)}`, `日${'é '.repeat(million / 4)}`.trim()],
  ])('%s', (_name, text, expected) => {
    const cleaned = cleanText(text);
    if (expected !== undefined) expect(cleaned === expected).toBe(true);
    else expect(cleaned.length).toBeGreaterThan(0);
  });
});
