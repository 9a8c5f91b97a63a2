/** Templates: a sentence with a `{}` or `{label}`, which `fillTemplate` replaces by the label. */

import { ClipError } from '../errors.ts';
import { deepFreeze } from '../freeze.ts';
import { kindOf } from '../options.ts';
import { openai7, openai80 } from './published-templates.ts';

/** A named set (`"single"`, `"openai-7"`, `"openai-80"`), one template, or a list of templates. */
export type Templates = string | readonly string[];

/** The named sets. `single` is the default; the other two are OpenAI's for ImageNet. */
export const templateSets: Readonly<Record<'single' | 'openai-7' | 'openai-80', readonly string[]>> = deepFreeze({
  single: ['a photo of a {}.'],
  'openai-7': openai7,
  'openai-80': openai80,
});

/** The placeholder: `{}` or `{label}`, nothing else (`{ }` and `{Label}` are plain text). */
const PLACEHOLDER = /\{(?:label)?\}/;

/**
 * Replaces every `{}` and `{label}` by the label. The label is inserted literally: `$&` or braces in it mean nothing.
 * @example
 * fillTemplate('a photo of a {}.', 'cat') // 'a photo of a cat.'
 */
export function fillTemplate(template: string, label: string): string {
  return template.split(PLACEHOLDER).join(label);
}

/**
 * The list that a set's name, a single template or a list stands for, as a copy.
 * @throws ClipError `TEMPLATE` if a template has no placeholder (it would give every label the same prompt), or the list
 *   is empty; TypeError if a template is not a string
 */
export function resolveTemplates(templates: Templates): readonly string[] {
  if (typeof templates === 'string') {
    if (Object.hasOwn(templateSets, templates)) return [...templateSets[templates as keyof typeof templateSets]];
    templates = [templates];
  } else if (!Array.isArray(templates)) {
    throw new TypeError(`templates must be a name, a template or an array of templates, got ${kindOf(templates)}`);
  }
  if (templates.length === 0) {
    throw new ClipError('TEMPLATE', 'the list of templates is empty; for the labels as they are, give ["{}"]');
  }
  for (let i = 0; i < templates.length; i++) {
    const template: unknown = templates[i];
    if (typeof template !== 'string') throw new TypeError(`template ${i} must be a string, got ${kindOf(template)}`);
    if (!PLACEHOLDER.test(template)) {
      const names = Object.keys(templateSets).map((name) => `"${name}"`);
      throw new ClipError(
        'TEMPLATE',
        `template ${i}, ${JSON.stringify(template)}, has no {} or {label} for the label (sets by name: ${names.join(', ')})`,
      );
    }
  }
  return [...templates];
}
