/**
 * 100 labels in 80 templates: the prefix tree against the same texts one by one (whose tokens after EOT are not computed
 * either), and against texts padded to the context length, as the published code computes them.
 */
import { readFileSync } from 'node:fs';
import { loadClip } from '../src/load.ts';
import { TextTransformer } from '../src/model/text-transformer.ts';
import { buildPrefixTree, sharedNodes } from '../src/text/prefix-tree.ts';
import { fillTemplate, resolveTemplates } from '../src/text/prompts.ts';
import { randomTokens } from './random.ts';
import { ms, percent, percents, type Report } from './report.ts';
import { inTurns } from './timing.ts';

const LABELS = 100;
/** Padded texts that are timed; all would take minutes, and each takes the same. */
const PADDED = 200;

export async function benchPrompts(report: Report): Promise<void> {
  const names = readFileSync(new URL('../test/golden/imagenet.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  // Every tenth name, so that they are not all fish and birds.
  const labels = names.filter((_, i) => i % Math.floor(names.length / LABELS) === 0).slice(0, LABELS);
  const templates = resolveTemplates('openai-80');
  const clip = await loadClip(undefined, { towers: ['text'] });
  const text = clip.config.text!;
  const ids = clip.tokenize(labels.flatMap((label) => templates.map((template) => fillTemplate(template, label))));
  // Distinct texts of full length, the end token last: the same rows as a padded text, whatever their ids.
  const padded = Array.from({ length: PADDED }, (_, i) => randomTokens(text.contextLength, text.vocabSize, i + 1));
  const oneByOne = async (texts: number[][]) => {
    for (const one of texts) await clip.encodeTokens([one]);
  };
  const runs = await inTurns(
    { tree: () => clip.encodeTokens(ids), single: () => oneByOne(ids), padded: () => oneByOne(padded) },
    { rounds: 3, time: 1, iterations: 1 },
  );
  clip.dispose();

  const { nodes, tokens } = sharedNodes(ids, buildPrefixTree(ids, TextTransformer.chunkNodes(text)));
  const texts = ids.length;
  const scaled = texts / PADDED;
  const rows = [
    { name: 'prefix tree', rows: nodes, medianMs: runs.tree.medianMs, leastMs: runs.tree.leastMs },
    { name: 'one by one', rows: tokens, medianMs: runs.single.medianMs, leastMs: runs.single.leastMs },
    {
      name: `padded to ${text.contextLength}, ${PADDED} texts, times ${scaled}`,
      rows: texts * text.contextLength,
      medianMs: runs.padded.medianMs * scaled,
      leastMs: runs.padded.leastMs * scaled,
    },
  ];
  const [tree] = rows;
  report.section(`${LABELS} labels x ${templates.length} templates, embedded model int8, one thread; tree / this: least / median`, ['', 'rows', 'median ms', 'least ms', 'tree / this', 'rows / this']); // biome-ignore format: heads
  for (const row of rows) {
    const { name, medianMs, leastMs } = row;
    const share = { best: tree!.leastMs / leastMs, middle: tree!.medianMs / medianMs };
    const shareOfRows = tree!.rows / row.rows;
    const cells = [String(row.rows), ms(medianMs), ms(leastMs), percents(share), percent(shareOfRows)];
    report.row(name, { rows: row.rows, medianMs, leastMs, shareLeast: share.best, share: share.middle, shareOfRows }, [
      name,
      ...cells,
    ]);
  }
}
