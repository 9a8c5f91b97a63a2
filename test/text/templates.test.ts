import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { fillTemplate, resolveTemplates, type Templates } from '../../src/text/templates.ts';

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

  it('refuses what is not a string', () => {
    expect(() => resolveTemplates([3] as never)).toThrow(new TypeError('template 0 must be a string, got a number'));
    expect(() => resolveTemplates(null as never)).toThrow(TypeError);
  });
});
