import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type ClassList,
  checkLabels,
  classPrompts,
  parseClassesJson,
  parseLabelsFile,
  parseTemplatesFile,
} from '../../src/text/prompts.ts';

/** All prompts, class by class. */
function all(classes: ClassList, templates?: string | string[]): { labels: readonly string[]; prompts: string[][] } {
  const { labels, prompts, total } = classPrompts(classes, templates);
  const lists = labels.map((_, i) => [...prompts(i)]);
  expect(total).toBe(lists.flat().length);
  return { labels, prompts: lists };
}

describe('classPrompts', () => {
  it('fills the templates with each label, by default "a photo of a {}."', () => {
    expect(all(['cat', 'dog'])).toEqual({
      labels: ['cat', 'dog'],
      prompts: [['a photo of a cat.'], ['a photo of a dog.']],
    });
    expect(all(['cat', 'dog'], ['{}', 'art of the {label}']).prompts).toEqual([
      ['cat', 'art of the cat'],
      ['dog', 'art of the dog'],
    ]);
    expect(all(['$& {} {label}'], 'a {}!').prompts).toEqual([['a $& {} {label}!']]);
  });

  it("takes a class's own prompts literally, whatever the templates are", () => {
    const cat = ['a photo of a cat', 'a small furry animal with {} whiskers'];
    const dog = ['{label}'];
    const expected = { labels: ['cat', 'dog'], prompts: [cat, dog] };
    expect(all({ cat, dog })).toEqual(expected);
    expect(all({ cat, dog }, 'openai-80')).toEqual(expected);
    expect(
      all([
        { label: 'cat', prompts: cat },
        { label: 'dog', prompts: dog },
      ]),
    ).toEqual(expected);
  });

  it('uses the templates for the classes that have no prompts of their own', () => {
    const classes: ClassList = ['cat', { label: 'dog', prompts: ['a dog', 'a puppy', 'a hound'] }, { label: 'fox' }];
    expect(all(classes, ['{}', 'the {}'])).toEqual({
      labels: ['cat', 'dog', 'fox'],
      prompts: [
        ['cat', 'the cat'],
        ['a dog', 'a puppy', 'a hound'],
        ['fox', 'the fox'],
      ],
    });
  });

  it('keeps order and repeated labels of a list', () => {
    const classes = [
      { label: '9', prompts: ['nine'] },
      { label: 'cat', prompts: ['a cat'] },
      { label: '9', prompts: ['neuf', 'neun'] },
    ];
    expect(all(classes)).toEqual({ labels: ['9', 'cat', '9'], prompts: [['nine'], ['a cat'], ['neuf', 'neun']] });
    expect(all(['cat', 'dog', 'cat']).labels).toEqual(['cat', 'dog', 'cat']);
  });

  it("keeps the repeated names of OpenAI's ImageNet list, each at its position", () => {
    const names = parseLabelsFile(readFileSync(new URL('../golden/imagenet.txt', import.meta.url), 'utf8'));
    const { labels, prompts, total } = classPrompts(names, undefined);
    expect([labels, total]).toEqual([names, 1000]);
    const places = names.flatMap((name, i) => (name === 'missile' || name === 'sunglasses' ? [i] : []));
    expect(places).toHaveLength(4);
    for (const i of places) expect(prompts(i)).toEqual([`a photo of a ${names[i]}.`]);
  });

  it('takes commas, slashes, brackets and placeholders in a label word for word', () => {
    const names = ['sunglasses, dark glasses, shades', 'baluster / handrail', 'kite (bird of prey)', '$& {} {label}'];
    expect(all(names, ['{}', '{label}: {}'])).toEqual({
      labels: names,
      prompts: names.map((name) => [name, `${name}: ${name}`]),
    });
    const byLabel = Object.fromEntries(names.map((name) => [name, [name]]));
    expect(all(byLabel)).toEqual({ labels: names, prompts: names.map((name) => [name]) });
    expect(parseClassesJson(JSON.stringify(byLabel))).toEqual(names.map((label) => ({ label, prompts: [label] })));
  });

  it('copies what it was given', () => {
    const labels = ['cat'];
    const prompts = ['a cat'];
    const byLabel = classPrompts({ cat: prompts }, undefined);
    const byTemplate = classPrompts(labels, undefined);
    prompts[0] = 'a dog';
    labels[0] = 'dog';
    expect(byLabel.prompts(0)).toEqual(['a cat']);
    expect([byTemplate.labels, byTemplate.prompts(0)]).toEqual([['cat'], ['a photo of a cat.']]);
  });

  it('makes the prompts of a class when asked: a million classes in eighty templates are not eighty million strings', () => {
    const labels = Array.from({ length: 1_000_000 }, (_, i) => `label ${i}`);
    const { total, prompts } = classPrompts(labels, 'openai-80');
    expect(total).toBe(80_000_000);
    expect(prompts(999_999)[79]).toBe('a tattoo of the label 999999.');
  });

  it.each<[string, unknown, ErrorConstructor, string]>([
    ['no labels', [], RangeError, 'the list of labels is empty'],
    ['an empty object', {}, RangeError, 'the object of classes is empty'],
    ['a string', 'cat,dog', TypeError, `got a string ("cat,dog"): split it, e.g. text.split(', ')`],
    ['one label', 'cat', TypeError, 'got a string ("cat"): pass ["cat"]'],
    ['a set', new Set(['cat']), TypeError, 'got a Set: pass a list of it, [...labels]'],
    ['null', null, TypeError, 'got null'],
    ['a map', new Map([['cat', ['a cat']]]), TypeError, 'got a Map: pass Object.fromEntries(map)'],
    ['a number among labels', ['cat', 3], TypeError, 'label 1 must be a string, got a number'],
    ['holes', new Array(2), TypeError, 'label 0 must be a string, got undefined'],
    ['a list among labels', ['cat', ['dog']], TypeError, 'label 1 must be a string, got an array'],
    ['a blank label', ['cat', ' \t'], TypeError, 'label 1 is blank'],
    ['a blank key', { cat: ['a cat'], ' ': ['a'] }, TypeError, 'label 1 is blank'],
    ['a class without label', ['cat', { prompts: ['a'] }], TypeError, 'label 1 must be a string, got undefined'],
    ['a misspelled field', [{ label: 'cat', prompt: ['a'] }], TypeError, 'class 0 has the field "prompt"'],
    ['one prompt instead of a list', { cat: 'a cat' }, TypeError, 'class 0, "cat": the prompts must be an array'],
    ['prompts that are null', [{ label: 'cat', prompts: null }], TypeError, 'class 0, "cat"'],
    ['no prompts', { cat: ['a cat'], dog: [] }, RangeError, 'class 1, "dog": the list of prompts is empty'],
    [
      'a prompt that is a number',
      { cat: ['a', 3] },
      TypeError,
      'class 0, "cat": prompt 1 must be a string, got a number',
    ],
    ['a blank prompt', { a: ['a'], cat: ['a', ' '] }, TypeError, 'class 1, "cat": prompt 1 is blank'],
    ['a hole among prompts', { cat: new Array(1) }, TypeError, 'prompt 0 must be a string, got undefined'],
  ])('refuses %s', (_name, classes, type, message) => {
    const check = () => classPrompts(classes as ClassList, undefined);
    expect(check).toThrow(type);
    expect(check).toThrow(message);
  });

  it('refuses wrong templates, even where every class has prompts of its own', () => {
    expect(() => classPrompts(['cat'], ['a photo'])).toThrow(expect.objectContaining({ code: 'TEMPLATE' }));
    expect(() => classPrompts({ cat: ['a cat'] }, [])).toThrow(expect.objectContaining({ code: 'TEMPLATE' }));
  });
});

describe('parseClassesJson', () => {
  it('reads the three shapes', () => {
    expect(parseClassesJson('\ufeff["cat", "dog"]')).toEqual([{ label: 'cat' }, { label: 'dog' }]);
    expect(parseClassesJson('{"cat": ["a cat", "a kitten"], "dog": ["a dog"]}')).toEqual([
      { label: 'cat', prompts: ['a cat', 'a kitten'] },
      { label: 'dog', prompts: ['a dog'] },
    ]);
    expect(parseClassesJson('[{"label": "cat", "prompts": ["a cat"]}, {"label": "cat"}]')).toEqual([
      { label: 'cat', prompts: ['a cat'] },
      { label: 'cat' },
    ]);
  });

  it('keeps the order of the file, whatever the labels are', () => {
    const json = String.raw`{"10": ["[{ten\"}:"], "b\n\"": ["b: {"], "2": ["two"], "__proto__": ["p"], "\u0061" : ["a"]}`;
    const entries = parseClassesJson(json);
    expect(entries.map(({ label }) => label)).toEqual(['10', 'b\n"', '2', '__proto__', 'a']);
    expect(entries.map(({ prompts }) => prompts![0])).toEqual(['[{ten"}:', 'b: {', 'two', 'p', 'a']);
  });

  it.each<[string, string, ErrorConstructor, string]>([
    ['no JSON', 'cat\ndog', TypeError, 'not JSON'],
    ['deep nesting', '['.repeat(10_000_000), TypeError, 'nested more than 8 levels'],
    ['a label that occurs twice', String.raw`{"a": ["x"], "\u0061": ["y"]}`, TypeError, '"a" occurs twice'],
    ['a number', '7', TypeError, 'got a number'],
    ['no classes', '{}', RangeError, 'empty'],
    ['a blank prompt', '{"cat": [""]}', TypeError, 'class 0, "cat": prompt 0 is blank'],
  ])('refuses %s', (_name, json, type, message) => {
    expect(() => parseClassesJson(json)).toThrow(type);
    expect(() => parseClassesJson(json)).toThrow(message);
  });
});

describe('files of templates and labels', () => {
  it('have one template a line, without blank lines', () => {
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
    expect(() => checkLabels('cat,dog')).toThrow(
      new TypeError(`labels must be an array of strings, got a string ("cat,dog"): split it, e.g. text.split(', ')`),
    );
    expect(() => checkLabels(undefined)).toThrow(TypeError);
    expect(() => checkLabels(['cat', 3])).toThrow(new TypeError('label 1 must be a string, got a number'));
    expect(() => checkLabels(['cat', 'dog', ' \t'])).toThrow(new TypeError('label 2 is blank: " \\t"'));
    // Nor is a hole in the array a label.
    expect(() => checkLabels(new Array(2))).toThrow(new TypeError('label 0 must be a string, got undefined'));
  });
});
