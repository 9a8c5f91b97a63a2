/** 100 labels in 80 templates: the prefix tree against the same texts one by one, whose tokens after EOT are not computed either. */
import { readFileSync } from 'node:fs';
import { loadClip } from '../src/load.ts';
import { fillTemplate, resolveTemplates } from '../src/text/prompts.ts';
import { ms, percent, type Report } from './report.ts';
import { inTurns } from './timing.ts';

const LABELS = 100;

export async function benchPrompts(report: Report): Promise<void> {
  const names = readFileSync(new URL('../test/golden/imagenet.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  // Every tenth name, so that they are not all fish and birds.
  const labels = names.filter((_, i) => i % Math.floor(names.length / LABELS) === 0).slice(0, LABELS);
  const templates = resolveTemplates('openai-80');
  const clip = await loadClip(undefined, { towers: ['text'] });
  const ids = clip.tokenize(labels.flatMap((label) => templates.map((template) => fillTemplate(template, label))));
  const { tree, single } = await inTurns(
    {
      tree: () => clip.encodeTokens(ids),
      single: async () => {
        for (const text of ids) await clip.encodeTokens([text]);
      },
    },
    { rounds: 3, time: 1, iterations: 1 },
  );
  clip.dispose();
  const share = tree.medianMs / single.medianMs;
  const tokens = ids.reduce((sum, text) => sum + text.length, 0);
  report.section(`${LABELS} labels x ${templates.length} templates, embedded model`, ['', 'median ms', 'least ms']);
  for (const [name, { medianMs, leastMs }] of [
    ['one by one', single],
    ['prefix tree', tree],
  ] as const) {
    report.row(name, { texts: ids.length, tokens, medianMs, leastMs }, [name, ms(medianMs), ms(leastMs)]);
  }
  report.row('tree / one by one', { share }, ['tree / one by one', percent(share)]);
}
