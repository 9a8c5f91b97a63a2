/** Labels, templates, prompts and texts as the command line gives them. */
import { existsSync } from 'node:fs';
import {
  type ClassEntry,
  checkLabels,
  parseClassesJson,
  parseLabelsFile,
  parseTemplatesFile,
  resolveTemplates,
  templateSets,
} from '../text/prompts.ts';
import { quote, UsageError } from './failure.ts';
import { STANDARD_INPUT, title } from './standard-input.ts';
import { readOptionText } from './text-file.ts';

export interface LabelOptions {
  readonly labels?: string[];
  readonly labelsFile?: string;
  readonly classes?: string;
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
    if (labels.length === 1 && labels[0] === '') throw new UsageError('--labels is empty');
    return orUsage('--labels', () => checkLabels(labels));
  }
  if (labelsFile !== undefined) {
    const lines = parseLabelsFile(await readOptionText('--labels-file', labelsFile));
    if (lines.length === 0) throw new UsageError(`--labels-file ${title(labelsFile)} holds no label`);
    return lines;
  }
  if (classes === undefined) {
    throw new UsageError('give labels: --labels a,b or --labels-file FILE or --classes FILE');
  }
  const text = await readOptionText('--classes', classes);
  return orUsage(`--classes ${title(classes)}`, () => parseClassesJson(text));
}

/** Notes for standard error about labels whose scores can mislead. */
export function labelNotes(labels: readonly string[]): string[] {
  if (labels.length === 1) {
    return ['there is one label only, so its score is always 100 %: compare with other labels, or see the similarity'];
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
    if (value !== STANDARD_INPUT && !existsSync(value)) {
      const sets = Object.keys(templateSets).join(', ');
      throw new UsageError(
        `--templates ${quote(value)} has no {} or {label} to be a template, and is not a set (${sets}) or a file`,
      );
    }
    const lines = parseTemplatesFile(await readOptionText('--templates', value));
    templates.push(...orUsage(`--templates ${title(value)}`, () => resolveTemplates(lines)));
  }
  return templates;
}

/** Whether `--templates` names a file, not a set or a template. */
export function isTemplatesFile(value: string): boolean {
  return !Object.hasOwn(templateSets, value) && !/\{(?:label)?\}/.test(value);
}

/**
 * The texts of a file, one per line; blank lines are skipped.
 * @throws UsageError if it cannot be read or holds none
 */
export async function readTexts(file: string): Promise<string[]> {
  const lines = parseLabelsFile(await readOptionText('--text-file', file));
  if (lines.length === 0) throw new UsageError(`--text-file ${title(file)} holds no text`);
  return lines;
}

function orUsage<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
