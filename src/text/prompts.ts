/** What a classifier embeds: labels, and the prompts of each. Also the text files that hold labels, templates, classes. */

import { kindOf } from '../options.ts';
import { type JsonBounds, parseBoundedJson } from './bounded-json.ts';
import { fillTemplate, resolveTemplates, type Templates } from './templates.ts';

/** A class with prompts of its own (taken literally), or without: then the templates make them. */
export interface ClassEntry {
  readonly label: string;
  readonly prompts?: readonly string[];
}

/**
 * The classes of a classifier: labels, an object of prompts by label, or a list of `{ label, prompts }`. In lists, order
 * and repeated labels are kept. In an object, JavaScript puts keys like "7" first: use a list where the order matters.
 * @example
 * const labels: ClassList = ['cat', 'dog'];
 * const byLabel: ClassList = { cat: ['a photo of a cat', 'a small furry animal'], dog: ['a photo of a dog'] };
 * const entries: ClassList = [{ label: 'cat', prompts: ['a photo of a cat'] }, { label: 'dog' }, 'fox'];
 */
export type ClassList = readonly (string | ClassEntry)[] | Readonly<Record<string, readonly string[]>>;

/** Labels, and the prompts of each, made when asked for: a thousand labels in eighty templates are 80,000 strings. */
export interface ClassPrompts {
  readonly labels: readonly string[];
  /** Prompts of all classes together. */
  readonly total: number;
  /** The prompts of class i, at least one. */
  prompts(i: number): readonly string[];
  /** How many prompts class i has. */
  count(i: number): number;
  /** Prompt k of class i alone. */
  prompt(i: number, k: number): string;
}

/**
 * Checks the classes and pairs each with its prompts. A class's own prompts are used as they are, braces included;
 * templates apply only to classes without prompts of their own.
 * @param templates default `single` (`a photo of a {}.`)
 * @throws TypeError for a wrong type or a blank label or prompt, with the class and the prompt's position (from 0);
 *   RangeError for no classes, or a class with an empty list of prompts; ClipError `TEMPLATE` as `resolveTemplates`
 * @example
 * const { labels, prompts } = classPrompts({ cat: ['a photo of a cat', 'a small furry animal'] }, undefined);
 * prompts(0) // ['a photo of a cat', 'a small furry animal']
 */
export function classPrompts(classes: ClassList, templates: Templates | undefined): ClassPrompts {
  const entries = checkClasses(classes);
  const filled = resolveTemplates(templates ?? 'single');
  return {
    labels: entries.map(({ label }) => label),
    total: entries.reduce((sum, { prompts = filled }) => sum + prompts.length, 0),
    prompts(i) {
      const { label, prompts } = entries[i]!;
      return prompts ?? filled.map((template) => fillTemplate(template, label));
    },
    count: (i) => (entries[i]!.prompts ?? filled).length,
    prompt(i, k) {
      const { label, prompts } = entries[i]!;
      return prompts?.[k] ?? fillTemplate(filled[k]!, label);
    },
  };
}

/** The classes as a list of entries, a copy. Messages count from `first`. */
function checkClasses(classes: unknown, first = 0): ClassEntry[] {
  if (isPlainObject(classes)) {
    const labels = Object.keys(classes);
    if (labels.length === 0) throw new RangeError('the object of classes is empty');
    return labels.map((label, i) => ({
      label: checkLabel(label, i + first),
      prompts: checkPrompts(classes[label], label, i + first, first),
    }));
  }
  if (!Array.isArray(classes)) {
    throw new TypeError(
      `labels must be an array of strings, an array of { label, prompts } or an object of prompts by label, got ${kindOf(classes)}${listAdvice(classes)}`,
    );
  }
  if (classes.length === 0) throw new RangeError('the list of labels is empty');
  // `from` reads holes as undefined, which `map` would skip.
  return Array.from(classes as unknown[], (entry, i): ClassEntry => {
    if (!isPlainObject(entry)) return { label: checkLabel(entry, i + first) };
    const unknown = Object.keys(entry).find((key) => key !== 'label' && key !== 'prompts');
    if (unknown !== undefined) {
      throw new TypeError(
        `class ${i + first} has the field ${JSON.stringify(unknown)}, expected only "label" and "prompts"`,
      );
    }
    const label = checkLabel(entry.label, i + first);
    return entry.prompts === undefined
      ? { label }
      : { label, prompts: checkPrompts(entry.prompts, label, i + first, first) };
  });
}

/** How to make a list of what came instead of one. */
function listAdvice(classes: unknown): string {
  if (typeof classes === 'string') {
    return classes.includes(',')
      ? ": split it, e.g. text.split(', ')"
      : `: pass [${JSON.stringify(classes).slice(0, 60)}]`;
  }
  if (Object.prototype.toString.call(classes) === '[object Map]') return ': pass Object.fromEntries(map)';
  const isIterable = typeof classes === 'object' && classes !== null && Symbol.iterator in classes;
  return isIterable ? ': pass a list of it, [...labels]' : '';
}

function checkLabel(label: unknown, i: number): string {
  if (typeof label !== 'string') throw new TypeError(`label ${i} must be a string, got ${kindOf(label)}`);
  if (label.trim() === '') throw new TypeError(`label ${i} is blank: ${JSON.stringify(label)}`);
  return label;
}

function checkPrompts(prompts: unknown, label: string, i: number, first: number): string[] {
  const where = `class ${i}, ${JSON.stringify(label)}`;
  if (!Array.isArray(prompts)) {
    throw new TypeError(`${where}: the prompts must be an array of strings, got ${kindOf(prompts)}`);
  }
  if (prompts.length === 0) throw new RangeError(`${where}: the list of prompts is empty`);
  return Array.from(prompts as unknown[], (prompt, k) => {
    if (typeof prompt !== 'string') {
      throw new TypeError(`${where}: prompt ${k + first} must be a string, got ${kindOf(prompt)}`);
    }
    if (prompt.trim() === '') throw new TypeError(`${where}: prompt ${k + first} is blank: ${JSON.stringify(prompt)}`);
    return prompt;
  });
}

/** An object literal, of this realm or another; not an array, a Map or a typed array. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/**
 * Checks a list of labels and returns a copy, in order. Equal labels stay apart, each at its position: OpenAI's 1000
 * ImageNet names hold two pairs.
 * @throws TypeError if it is not an array, or a label (named by its position, from 0) is not a string or blank;
 *   RangeError if it is empty
 */
export function checkLabels(labels: unknown): string[] {
  if (!Array.isArray(labels))
    throw new TypeError(`labels must be an array of strings, got ${kindOf(labels)}${listAdvice(labels)}`);
  if (labels.length === 0) throw new RangeError('the list of labels is empty');
  return Array.from(labels as unknown[], (label, i) => checkLabel(label, i));
}

/** The lines of a file, without blank ones and without a byte order mark; any line ending. */
function nonBlankLines(text: string): string[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/)
    .filter((line) => line.trim() !== '');
}

/** A file of templates, one per line; blank lines are skipped. `resolveTemplates` checks them. */
export function parseTemplatesFile(text: string): string[] {
  return nonBlankLines(text);
}

/** A file of labels, one per line, word for word: commas, slashes and spaces are part of the label. */
export function parseLabelsFile(text: string): string[] {
  return nonBlankLines(text);
}

/** A million prompts of a hundred characters; a list of objects of lists is three levels deep. */
const CLASSES_JSON: JsonBounds = { length: 2 ** 28, depth: 8 };

/**
 * The classes of a JSON file, in the three shapes of `ClassList`. An object's classes keep the order of the file, also
 * where a label is a number.
 * @param first the number that messages give the first class and the first prompt
 * @throws TypeError if the text is not JSON, a label occurs twice in an object (`JSON.parse` would keep the last one
 *   only), or as `classPrompts`; RangeError as `classPrompts`
 * @example
 * parseClassesJson('{ "cat": ["a photo of a cat"], "dog": ["a photo of a dog"] }')
 */
export function parseClassesJson(text: string, first = 0): readonly ClassEntry[] {
  const json = text.replace(/^\ufeff/, '');
  let classes: unknown;
  try {
    classes = parseBoundedJson(json, CLASSES_JSON);
  } catch (error) {
    throw new TypeError(`not JSON: ${(error as Error).message}`, { cause: error });
  }
  const entries = checkClasses(classes, first);
  if (Array.isArray(classes)) return entries;
  const order = new Map<string, number>();
  for (const key of topLevelKeys(json)) {
    if (order.has(key)) {
      throw new TypeError(
        `the label ${JSON.stringify(key)} occurs twice: for repeated labels, write a list of { "label", "prompts" }`,
      );
    }
    order.set(key, order.size);
  }
  return entries.sort((a, b) => order.get(a.label)! - order.get(b.label)!);
}

/** The keys of the outermost object of valid JSON, in order, repeated ones included. */
function* topLevelKeys(json: string): Generator<string> {
  let depth = 0;
  for (const [token, string, colon] of json.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[[\]{}]/g)) {
    if (string !== undefined) {
      if (depth === 1 && colon !== undefined) yield JSON.parse(string);
    } else if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
  }
}

export { fillTemplate, resolveTemplates, type Templates, templateSets } from './templates.ts';
