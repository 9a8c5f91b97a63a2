import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import {
  checkLabels,
  fillTemplate,
  parseLabelsFile,
  parseTemplatesFile,
  resolveTemplates,
  type Templates,
} from '../../src/text/prompts.ts';

function templateError(templates: Templates): ClipError {
  try {
    resolveTemplates(templates);
  } catch (error) {
    if (error instanceof ClipError && error.code === 'TEMPLATE') return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('fillTemplate', () => {
  it.each([
    ['a photo of a {}.', 'cat', 'a photo of a cat.'],
    ['{label}, a {} and {label}', 'cat', 'cat, a cat and cat'],
    ['{}', '$& {} {label}', '$& {} {label}'],
    ['a {label}!', "$1 $$ $` $' $&", "a $1 $$ $` $' $&!"],
    ['{} {Label} {0} { }', 'x', 'x {Label} {0} { }'],
    ['{{}}', 'x', '{x}'],
    ['{}', '', ''],
  ])('%j with %j', (template, label, prompt) => {
    expect(fillTemplate(template, label)).toBe(prompt);
  });
});

describe('resolveTemplates', () => {
  it('knows the published sets by name', () => {
    const golden: Record<string, string[]> = JSON.parse(
      readFileSync(new URL('../golden/templates.json', import.meta.url), 'utf8'),
    );
    expect(Object.keys(golden).sort()).toEqual(['openai-7', 'openai-80']);
    for (const [name, templates] of Object.entries(golden)) expect(resolveTemplates(name)).toEqual(templates);
    expect(resolveTemplates('single')).toEqual(['a photo of a {}.']);
  });

  it("takes the caller's own, one or many", () => {
    expect(resolveTemplates('art of {label}')).toEqual(['art of {label}']);
    expect(resolveTemplates(['{}', 'a {}'])).toEqual(['{}', 'a {}']);
  });

  it('quotes a template that would give every label the same prompt', () => {
    expect(templateError(['a photo']).message).toContain('"a photo"');
    expect(templateError(['']).message).toContain('""');
    expect(templateError('a photo').message).toContain('"a photo"');
    expect(templateError(['a photo of {}', 'a photo']).message).toContain('template 1, "a photo"');
    expect(templateError(['a photo of { }']).message).toContain('{ }');
    expect(templateError('openai-8').message).toContain('"openai-80"');
    expect(templateError('toString').message).toContain('"toString"');
  });

  it('refuses an empty list', () => {
    expect(templateError([]).message).toContain('empty');
  });

  it('refuses what is no string', () => {
    expect(() => resolveTemplates([3] as never)).toThrow(new TypeError('template 0 must be a string, got number'));
    expect(() => resolveTemplates(null as never)).toThrow(TypeError);
  });
});

describe('files of templates and labels', () => {
  it('have one template a line, blank lines being none', () => {
    expect(parseTemplatesFile('a {}\r\n\r\na drawing of {label}\r\n  \n')).toEqual(['a {}', 'a drawing of {label}']);
    expect(parseTemplatesFile('\ufeffa {}')).toEqual(['a {}']);
  });

  it('have one label a line, word for word', () => {
    const labels = ['sunglasses, dark glasses, shades', 'baluster / handrail', 'kite (bird of prey)', '$& {} {label}'];
    expect(parseLabelsFile(`\ufeff${labels.join('\n')}\n\n`)).toEqual(labels);
    expect(parseLabelsFile(`${labels.join('\r\n')}\r\n`)).toEqual(labels);
    expect(parseLabelsFile(' spaced out \n')).toEqual([' spaced out ']);
  });
});

describe('checkLabels', () => {
  it('keeps equal labels apart, in order', () => {
    expect(checkLabels(['cat', 'dog', 'cat'])).toEqual(['cat', 'dog', 'cat']);
    const names = parseLabelsFile(readFileSync(new URL('../golden/imagenet.txt', import.meta.url), 'utf8'));
    expect(new Set(names).size).toBe(998);
    expect(checkLabels(names)).toHaveLength(1000);
  });

  it('returns a copy', () => {
    const labels = ['cat'];
    const checked = checkLabels(labels);
    labels.push('dog');
    expect(checked).toEqual(['cat']);
  });

  it('refuses the rest, naming the position', () => {
    expect(() => checkLabels([])).toThrow(RangeError);
    expect(() => checkLabels('cat,dog')).toThrow(new TypeError('labels must be an array of strings, got string'));
    expect(() => checkLabels(undefined)).toThrow(TypeError);
    expect(() => checkLabels(['cat', 3])).toThrow(new TypeError('label 1 must be a string, got number'));
    expect(() => checkLabels(['cat', 'dog', ' \t'])).toThrow(new TypeError('label 2 is blank: " \\t"'));
    // A hole in the array is no label either.
    expect(() => checkLabels(new Array(2))).toThrow(new TypeError('label 0 must be a string, got undefined'));
  });
});
