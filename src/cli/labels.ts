/** Labels, templates and texts as the command line gives them. */
import { existsSync } from 'node:fs';
import { readTextFile } from '../platform/node.ts';
import { checkLabels, parseLabelsFile, parseTemplatesFile, resolveTemplates, templateSets } from '../text/prompts.ts';
import { quote, UsageError } from './failure.ts';

/** Splits a list at its commas, without the blanks around each. */
export function splitList(list: string): string[] {
  return list.split(',').map((item) => item.trim());
}

/**
 * The labels of `--labels` (already split) or of a file with one a line.
 * @throws UsageError if there are none, or one is blank
 */
export async function readLabels(labels: readonly string[] | undefined, file: string | undefined): Promise<string[]> {
  if (labels === undefined && file === undefined)
    throw new UsageError('give labels: --labels a,b or --labels-file FILE');
  if (file === undefined) {
    if (labels!.length === 1 && labels![0] === '') throw new UsageError('--labels is empty');
    return orUsage('--labels', () => checkLabels(labels));
  }
  const lines = parseLabelsFile(await readArgumentFile('--labels-file', file));
  if (lines.length === 0) throw new UsageError(`--labels-file ${quote(file)} holds no label`);
  return checkLabels(lines);
}

/**
 * What `--templates` names: a known set, else a template (it holds `{}` or `{label}`), else a file of templates.
 * @throws UsageError if it is none of them, or a line of the file has no place for the label
 */
export async function readTemplates(values: readonly string[] | undefined): Promise<string[] | undefined> {
  if (values === undefined) return undefined;
  const templates: string[] = [];
  for (const value of values) {
    const isSet = Object.hasOwn(templateSets, value);
    if (isSet || /\{(?:label)?\}/.test(value)) {
      templates.push(...resolveTemplates(value));
      continue;
    }
    if (!existsSync(value)) {
      const sets = Object.keys(templateSets).join(', ');
      throw new UsageError(
        `--templates ${quote(value)} has no {} or {label} to be a template, and is no set (${sets}) and no file`,
      );
    }
    const lines = parseTemplatesFile(await readArgumentFile('--templates', value));
    templates.push(...orUsage(`--templates ${quote(value)}`, () => resolveTemplates(lines)));
  }
  return templates;
}

/**
 * The texts of a file, one a line; blank lines are none.
 * @throws UsageError if it cannot be read or holds none
 */
export async function readTexts(file: string): Promise<string[]> {
  const lines = parseLabelsFile(await readArgumentFile('--text-file', file));
  if (lines.length === 0) throw new UsageError(`--text-file ${quote(file)} holds no text`);
  return lines;
}

async function readArgumentFile(option: string, path: string): Promise<string> {
  try {
    return await readTextFile(path);
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}`, { cause: error });
  }
}

function orUsage<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
