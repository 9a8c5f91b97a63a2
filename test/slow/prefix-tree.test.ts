import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { buildPrefixTree, sharedNodes } from '../../src/text/prefix-tree.ts';
import { fillTemplate, parseLabelsFile, resolveTemplates } from '../../src/text/prompts.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

it.each([
  ['first names of the synsets', '../text/imagenet-synsets.txt', 311_082],
  ["OpenAI's names", '../golden/imagenet.txt', 328_378],
])('eighty templates by a thousand names: %s', (_name, path, nodes) => {
  const tokenizer = Tokenizer.fromJSON(read('../golden/clip-tokenizer/tokenizer.json'));
  const labels = parseLabelsFile(read(path));
  const sequences = resolveTemplates('openai-80').flatMap((template) =>
    labels.map((label) => tokenizer.encode(fillTemplate(template, label))),
  );
  expect(sequences).toHaveLength(80_000);
  expect(sharedNodes(sequences, buildPrefixTree(sequences, Number.POSITIVE_INFINITY)).nodes).toBe(nodes);
});
