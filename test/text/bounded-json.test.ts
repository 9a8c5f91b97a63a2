import { describe, expect, it } from 'vitest';
import { parseBoundedJson } from '../../src/text/bounded-json.ts';

const bounds = { length: 100_000_000, depth: 3 };

describe('parseBoundedJson', () => {
  it('reads what JSON.parse reads', () => {
    for (const json of [
      '7',
      '""',
      '{"a": [{"b": 1}, []]}',
      String.raw`["[[[[", "{{{{{", "\"[[[[", "\\\\", "\\\"[[[["]`,
    ]) {
      expect(parseBoundedJson(json, bounds)).toEqual(JSON.parse(json));
    }
    expect(() => parseBoundedJson('', bounds)).toThrow(SyntaxError);
    expect(() => parseBoundedJson('["abc', bounds)).toThrow(SyntaxError);
    expect(() => parseBoundedJson('[}}]]', bounds)).toThrow(SyntaxError);
  });

  it('refuses a level too many, of arrays or objects', () => {
    expect(parseBoundedJson('[[[]]]', bounds)).toEqual([[[]]]);
    expect(parseBoundedJson('[[[]], [[]], {"a":{}}]', bounds)).toEqual([[[]], [[]], { a: {} }]);
    for (const json of ['[[[[]]]]', '{"a":{"b":{"c":{}}}}', String.raw`["\\",[[[0]]]]`, String.raw`["\"",[[[0]]]]`]) {
      expect(() => parseBoundedJson(json, bounds)).toThrow(RangeError);
    }
    expect(() => parseBoundedJson('[[[[]]]]', bounds)).toThrow('nested more than 3 levels deep at character 3');
  });

  it('refuses a text that is too long', () => {
    expect(parseBoundedJson('[1,2]', { length: 5, depth: 1 })).toEqual([1, 2]);
    expect(() => parseBoundedJson('[1,2] ', { length: 5, depth: 1 })).toThrow('6 characters, expected at most 5');
  });

  // Without the bound, an engine takes seconds and gigabytes, or overflows its stack.
  it.each(['[', '{"a":', '[{"a":'])('refuses a hundred million characters of %s at once', (opening) => {
    const json = opening.repeat(bounds.length / opening.length);
    expect(() => parseBoundedJson(json, bounds)).toThrow('nested');
  });

  it('takes linear time for backslashes and quotes', () => {
    expect(parseBoundedJson(`"${'\\\\'.repeat(4_000_000)}"`, bounds)).toHaveLength(4_000_000);
    expect(parseBoundedJson(`"${'\\"'.repeat(4_000_000)}"`, bounds)).toHaveLength(4_000_000);
  });
});
