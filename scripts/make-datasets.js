// Writes src/eval/published-datasets.ts: class names and templates as OpenAI published them for the datasets of the CLIP paper
// (github.com/openai/CLIP, data/prompts.md), and its 1000 names of ImageNet (test/golden/imagenet.txt).
//
//   node scripts/make-datasets.js PROMPTS.md COMMIT
import { readFileSync, writeFileSync } from 'node:fs';

const [path, commit] = process.argv.slice(2);
if (!path || !/^[0-9a-f]{40}$/.test(commit ?? ''))
  throw new Error('usage: node scripts/make-datasets.js PROMPTS.md COMMIT');
const page = readFileSync(path, 'utf8');
const ALIKE = /[\\`]|\$\{/; // what a template string of JavaScript would take for its own

/** A list of Python's strings, or of lists of them, one an entry. */
function entries(/** @type {string} */ list) {
  return list
    .trim()
    .split('\n')
    .map((line) => {
      const strings = [...line.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)];
      return strings.map(([, single, double]) => (single ?? double).replace(/\\(.)/g, '$1'));
    })
    .filter((names) => names.length > 0);
}

const datasets = page
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const title = section.slice(0, section.indexOf('\n')).trim();
    const classes = entries(/^classes = \[\n([\s\S]*?)^\]/m.exec(section)[1]);
    const templates = entries(/^templates = \[\n([\s\S]*?)^\]/m.exec(section)[1]).flat();
    return { title, classes: classes.map((names) => names.join(' | ')), templates };
  });
const imagenet = readFileSync('test/golden/imagenet.txt', 'utf8').trimEnd().split('\n');
datasets.push({ title: 'ImageNet', classes: imagenet, templates: undefined });
datasets.sort((a, b) => (a.title.toLowerCase() < b.title.toLowerCase() ? -1 : 1));

const text = (/** @type {string[]} */ lines) => {
  const joined = lines.join('\n');
  if (ALIKE.test(joined)) throw new Error(`cannot be written as it is: ${ALIKE.exec(joined)[0]}`);
  return `\`\n${joined}\n\``;
};
writeFileSync(
  'src/eval/published-datasets.ts',
  `/**
 * Class names and prompt templates of published datasets, written by scripts/make-datasets.js. Source: github.com/openai/CLIP,
 * data/prompts.md at ${commit}, and OpenAI's 1000 names of ImageNet with its 80 templates
 * (notebook Prompt_Engineering_for_ImageNet.ipynb).
 */
import { openai80 } from '../text/published-templates.ts';

/** One class a line, in the order of the dataset's numbers; several names of one class are separated by \` | \`. */
export interface PublishedDataset {
  readonly title: string;
  readonly classes: string;
  /** One a line. */
  readonly templates: string;
}

export const publishedDatasets: Readonly<Record<string, PublishedDataset>> = {
${datasets
  .map(({ title, classes, templates }) => {
    const key = title.toLowerCase();
    const shown = templates ? text(templates) : "openai80.join('\\n')";
    return `  ${key}: {\n    title: '${title}',\n    classes: ${text(classes)},\n    templates: ${shown},\n  },\n`;
  })
  .join('')}};
`,
);
console.log(
  datasets.map(({ title, classes, templates }) => `${title} ${classes.length} ${templates?.length ?? 80}`).join('\n'),
);
