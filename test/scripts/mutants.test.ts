import { describe, expect, it } from 'vitest';
import { applyMutant, mutantsOf } from '../../scripts/mutants.ts';

/** The sources that come out, with each mutator's name. */
const mutate = (source: string) =>
  mutantsOf(source).map((mutant) => `${mutant.mutator}: ${applyMutant(source, mutant)}`);

describe('mutants', () => {
  it.each<[string, string[]]>([
    ['x = a + b;', ['statement removed: ;', 'arithmetic: x = a - b;']],
    [
      'f(a * b - 1)',
      [
        'statement removed: ;',
        'arithmetic: f(a * b + 1)',
        'arithmetic: f(a / b - 1)',
        'constant: f(a * b - (2))',
        'constant: f(a * b - (0))',
      ],
    ],
    ['return_ = `x` + y', ['statement removed: ;']],
    ['const c = a < b;', ['comparison: const c = a <= b;', 'comparison: const c = a >= b;']],
    ['const c = a ?? b;', ['default removed: const c = a;']],
    ['const c = !a && b;', ['negation removed: const c = a && b;', 'logic: const c = !a || b;']],
    ['const c = a ? b : d;', ['condition negated: const c = !(a) ? b : d;']],
    ['if (a) b();', ['condition negated: if (!(a)) b();', 'statement removed: if (a) ;']],
    [
      'if (a) throw new Error(message(n - 1));',
      ['condition negated: if (!(a)) throw new Error(message(n - 1));', 'throw removed: if (a) ;'],
    ],
    ['const c = Math.min(a, b);', ['Math: const c = Math.max(a, b);']],
    [
      'let n = 0; n += 2;',
      [
        'constant: let n = (1); n += 2;',
        'constant: let n = (-1); n += 2;',
        'statement removed: let n = 0; ;',
        'arithmetic: let n = 0; n -= 2;',
        'constant: let n = 0; n += (3);',
        'constant: let n = 0; n += (1);',
      ],
    ],
    ['const on = true;', ['boolean: const on = false;']],
    ['for (;;) i++;', ['statement removed: for (;;) ;', 'arithmetic: for (;;) i--;']],
  ])('of %s', (source, expected) => {
    expect(mutate(source).sort()).toEqual(expected.sort());
  });

  it('leave types and imports alone', () => {
    expect(mutate("import x from './x.ts';\ntype A = 1 | 2;\nconst a = b as 1;\ninterface B { c: true }")).toEqual([]);
    expect(mutate('const a = (b + c) as 1;')).toEqual(['arithmetic: const a = (b - c) as 1;']);
  });

  it('have places behind characters of any length', () => {
    expect(mutate("const s = '日🐱é'; const a = b + c;")).toEqual(["arithmetic: const s = '日🐱é'; const a = b - c;"]);
  });

  it('are TypeScript', () => {
    expect(mutate('const a = b ?? (c || d);')).toEqual([
      'default removed: const a = b;',
      'logic: const a = b ?? (c && d);',
    ]);
  });
});
