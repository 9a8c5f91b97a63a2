import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { fillTemplate, templateSets } from '../../src/text/prompts.ts';
import { goldenPath } from '../model/golden.ts';

const labels = readFileSync(goldenPath('imagenet.txt'), 'utf8').trim().split('\n').slice(0, 50);
const prompts = labels.flatMap((label) => templateSets['openai-80'].map((template) => fillTemplate(template, label)));

describe('80 templates by 50 labels in one call', () => {
  it.each([
    ['int8', 1],
    ['f32', 7],
  ] as const)('have the bits of one by one, in %s (every %ith prompt alone)', async (precision, step) => {
    using clip = await loadClip(undefined, { precision, towers: ['text'] });
    let last = { done: 0, total: 0 };
    const onProgress = (progress: typeof last) => {
      expect(progress.done).toBeGreaterThan(last.done);
      last = progress;
    };
    const together = await clip.encodeText(prompts, { onProgress });
    expect(last).toEqual({ done: prompts.length, total: prompts.length });
    for (let i = 0; i < prompts.length; i += step) {
      const alone = await clip.encodeText(prompts[i]!);
      if (!alone.every((v, j) => v === together[i]![j])) expect.fail(`"${prompts[i]}" differs from its lone run`);
    }
  });
});
