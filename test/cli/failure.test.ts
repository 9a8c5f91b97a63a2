import { expect, describe as group, it } from 'vitest';
import { describe } from '../../src/cli/failure.ts';
import { ClipError } from '../../src/errors.ts';

group('an error', () => {
  it('is described on one line, without the modules that Node lists', () => {
    const missing = "Cannot find module 'x.js'\nRequire stack:\n- /a.js\n- /b.js";
    expect(describe(new ClipError('IO', missing))).toBe("Cannot find module 'x.js' [IO]");
    expect(describe(new Error('a folder "a\nb\x1b[31m"'))).toBe('a folder "a\\nb\\u001b[31m"');
    expect(describe('text')).toBe('text');
  });
});
