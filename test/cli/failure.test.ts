import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, describe as group, it } from 'vitest';
import { describe } from '../../src/cli/failure.ts';
import { ClipError } from '../../src/errors.ts';
import { projectPath, shell } from './command.ts';

group('an error', () => {
  it('is described on one line, without the modules that Node lists', () => {
    const missing = "Cannot find module 'x.js'\nRequire stack:\n- /a.js\n- /b.js";
    expect(describe(new ClipError('IO', missing))).toBe("Cannot find module 'x.js' [IO]");
    expect(describe(new Error('a folder "a\nb\x1b[31m"'))).toBe('a folder "a\\nb\\u001b[31m"');
    expect(describe('text')).toBe('text');
  });

  it.skipIf(process.platform === 'win32').each([
    ['examples/cat.png', 'pictures.wasm'],
    ['examples/rocket.jpg', 'pictures.wasm'],
  ])('of a damaged installation (%s without %s) says to reinstall', async (picture, missing) => {
    const copy = mkdtempSync(join(tmpdir(), 'edgeclip-'));
    try {
      for (const name of ['node_modules', 'weights']) symlinkSync(join(projectPath, name), join(copy, name));
      cpSync(join(projectPath, 'package.json'), join(copy, 'package.json'));
      for (const part of ['cli', 'chunks', 'kernels-simd.wasm', 'kernels-relaxed.wasm', 'pictures.wasm']) {
        cpSync(join(projectPath, 'dist', part), join(copy, 'dist', part), { recursive: true });
      }
      rmSync(join(copy, 'dist', missing));
      const line = `'${process.execPath}' '${copy}/dist/cli/main.js' embed ${picture}`;
      const { code, stderr } = await shell(line, { cwd: projectPath });
      expect(stderr).toMatch(/^error: .*reinstall the package.*\[IO\]\n$/);
      expect(stderr).toContain(missing.replace('chunks/', ''));
      expect(code).toBe(1);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });
});
