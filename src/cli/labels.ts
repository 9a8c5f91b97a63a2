/** Labels, templates, prompts and texts as the command line gives them. */
import { existsSync } from 'node:fs';
import {
  type ClassEntry,
  parseClassesJson,
  parseLabelsFile,
  parseTemplatesFile,
  resolveTemplates,
  templateSets,
} from '../text/prompts.ts';
import { emptyOption, quote, UsageError } from './failure.ts';
import { STANDARD_INPUT, title } from './standard-input.ts';
import { readOptionText } from './text-file.ts';

export interface LabelOptions {
  readonly labels?: string[];
  readonly labelsFile?: string;
  readonly classes?: string;
  readonly templates?: string[];
}

/** Splits a list at commas and trims each item. */
export function splitList(list: string): string[] {
  return list.split(',').map((item) => item.trim());
}

/**
 * The labels of `--labels` (already split) or of `--labels-file`, one per line, or the labels and prompts of `--classes`.
 * @throws UsageError if there are none, or one is blank
 */
export async function readLabels({
  labels,
  labelsFile,
  classes,
}: LabelOptions): Promise<string[] | readonly ClassEntry[]> {
  if (labels !== undefined) {
    if (labels.length === 1 && labels[0] === '') throw emptyOption('--labels');
    const blank = labels.indexOf('');
    if (blank >= 0) throw new UsageError(`--labels: label ${blank + 1} of ${labels.length} is blank`);
    return labels;
  }
  if (labelsFile !== undefined) {
    const lines = parseLabelsFile(await readOptionText('--labels-file', labelsFile));
    if (lines.length === 0) throw new UsageError(`--labels-file ${title(labelsFile)} has no labels`);
    return lines;
  }
  if (classes === undefined) {
    throw new UsageError('give labels: --labels a,b, --labels-file FILE, --classes FILE or --classifier FILE');
  }
  const text = await readOptionText('--classes', classes);
  return orUsage(`--classes ${title(classes)}`, () => parseClassesJson(text, 1));
}

/** Notes for standard error about labels whose scores can mislead. */
export function labelNotes(labels: readonly string[]): string[] {
  if (labels.length === 1) {
    return [
      'there is only one label, so its score is always 100 %: add other labels to compare, or look at the similarity',
    ];
  }
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const repeated = [...counts].filter(([, n]) => n > 1);
  if (repeated.length === 0) return [];
  const [label, n] = repeated[0]!;
  const others = repeated.length > 1 ? ` (and ${repeated.length - 1} more repeated)` : '';
  return [
    `the label ${quote(label)} is given ${n === 2 ? 'twice' : `${n} times`}${others}: equal labels share the score`,
  ];
}

/**
 * What `--templates` names: a known set, else a template (it holds `{}` or `{label}`), else a file of templates.
 * @throws UsageError if it is none of these, or a line of the file has no placeholder for the label
 */
export async function readTemplates(values: readonly string[] | undefined): Promise<string[] | undefined> {
  if (values === undefined) return undefined;
  const templates: string[] = [];
  for (const value of values) {
    if (!isTemplatesFile(value)) {
      templates.push(...resolveTemplates(value));
      continue;
    }
    if (value === '') throw emptyOption('--templates');
    if (value !== STANDARD_INPUT && !existsSync(value)) {
      const sets = Object.keys(templateSets).join(', ');
      throw new UsageError(
        `--templates ${quote(value)} is not a file, a set (${sets}) or a template, which needs {} or {label}`,
      );
    }
    templates.push(...templatesOf(await readOptionText('--templates', value), `--templates ${title(value)}`));
  }
  return templates;
}

/** The templates of a file. @throws UsageError with the line if one has no placeholder, or if there are none */
function templatesOf(text: string, what: string): readonly string[] {
  for (const [i, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() !== '' && !hasPlaceholder(line)) {
      throw new UsageError(`${what}: line ${i + 1}, ${quote(line)}, has no {} or {label} for the label`);
    }
  }
  const templates = parseTemplatesFile(text);
  if (templates.length === 0) throw new UsageError(`${what} has no templates`);
  return templates;
}

const hasPlaceholder = (text: string): boolean => /\{(?:label)?\}/.test(text);

/** Whether no class needs a template. */
export function everyClassHasPrompts(classes: readonly (string | ClassEntry)[]): boolean {
  return classes.every((entry) => typeof entry !== 'string' && entry.prompts !== undefined);
}

/** Whether `--templates` names a file, not a set or a template. */
export function isTemplatesFile(value: string): boolean {
  return !Object.hasOwn(templateSets, value) && !hasPlaceholder(value);
}

/**
 * The texts of a file, one per line; blank lines are skipped.
 * @throws UsageError if it cannot be read or holds none
 */
export async function readTexts(file: string): Promise<string[]> {
  const lines = parseLabelsFile(await readOptionText('--text-file', file));
  if (lines.length === 0) throw new UsageError(`--text-file ${title(file)} has no texts`);
  return lines;
}

function orUsage<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
