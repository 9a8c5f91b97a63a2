import { ClipError } from '../errors.ts';
import { openai7, openai80 } from './templates.ts';

/** A named set (`"single"`, `"openai-7"`, `"openai-80"`), one template, or a list of templates. */
export type Templates = string | readonly string[];

/** The sets that `resolveTemplates` knows by name. */
export const templateSets: Readonly<Record<'single' | 'openai-7' | 'openai-80', readonly string[]>> = {
  single: ['a photo of a {}.'],
  'openai-7': openai7,
  'openai-80': openai80,
};

const PLACE = /\{(?:label)?\}/;

function kind(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value;
}

/**
 * The template with the label in place of every `{}` and `{label}`. The label is taken literally: `$&` or braces in it
 * mean nothing.
 */
export function fillTemplate(template: string, label: string): string {
  return template.split(PLACE).join(label);
}

/**
 * The list of templates that a name, a single template or a list stands for.
 *
 * @throws ClipError `TEMPLATE` if a template has no `{}` or `{label}` (quoted in the message: it would give every label
 *   the same prompt), or if the list is empty; TypeError if something is no string.
 */
export function resolveTemplates(templates: Templates): readonly string[] {
  if (typeof templates === 'string') {
    if (Object.hasOwn(templateSets, templates)) return templateSets[templates as keyof typeof templateSets];
    templates = [templates];
  } else if (!Array.isArray(templates)) {
    throw new TypeError(`templates must be a name, a template or an array of templates, got ${kind(templates)}`);
  }
  if (templates.length === 0) {
    throw new ClipError('TEMPLATE', 'the list of templates is empty; for the labels as they are, give ["{}"]');
  }
  for (let i = 0; i < templates.length; i++) {
    const template: unknown = templates[i];
    if (typeof template !== 'string') throw new TypeError(`template ${i} must be a string, got ${kind(template)}`);
    if (!PLACE.test(template)) {
      const names = Object.keys(templateSets).map((name) => `"${name}"`);
      throw new ClipError(
        'TEMPLATE',
        `template ${i}, ${JSON.stringify(template)}, has no {} or {label} for the label (sets by name: ${names.join(', ')})`,
      );
    }
  }
  return [...templates];
}

/** The lines of a file, blank ones left out, without a byte order mark; any line ending. */
function nonBlankLines(text: string): string[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/)
    .filter((line) => line.trim() !== '');
}

/** A file of templates, one a line; blank lines are no templates. `resolveTemplates` checks them. */
export function parseTemplatesFile(text: string): string[] {
  return nonBlankLines(text);
}

/** A file of labels, one a line, word for word: commas, slashes and spaces are part of the label. */
export function parseLabelsFile(text: string): string[] {
  return nonBlankLines(text);
}

/**
 * Checks a list of labels and returns a copy, in order. Equal labels stay apart, each at its position: the published
 * ImageNet names hold two pairs.
 *
 * @throws TypeError if it is no array, or a label (named by its position, from 0) is no string or blank; RangeError if
 *   it is empty.
 */
export function checkLabels(labels: unknown): string[] {
  if (!Array.isArray(labels)) throw new TypeError(`labels must be an array of strings, got ${kind(labels)}`);
  if (labels.length === 0) throw new RangeError('the list of labels is empty');
  for (let i = 0; i < labels.length; i++) {
    const label: unknown = labels[i];
    if (typeof label !== 'string') throw new TypeError(`label ${i} must be a string, got ${kind(label)}`);
    if (label.trim() === '') throw new TypeError(`label ${i} is blank: ${JSON.stringify(label)}`);
  }
  return [...labels];
}
