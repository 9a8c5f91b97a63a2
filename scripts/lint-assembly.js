// Biome's linter over assembly/. Its parser refuses decorators on functions, which AssemblyScript has, so it reads a copy in
// which they are comments: lines stay the same. Layout by hand (lane diagrams, one-line signatures) is
// kept: no formatter.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const CONFIG = {
  root: true,
  formatter: { enabled: false },
  assist: { enabled: false },
  linter: {
    rules: {
      preset: 'recommended',
      complexity: { noCommaOperator: 'off' }, // two pointers of a for loop
      correctness: {
        noPrecisionLoss: 'off', // f32 constants are written out in full
        noUnusedFunctionParameters: 'error',
        noUnusedImports: 'error',
        noUnusedVariables: 'error',
        useParseIntRadix: 'off',
      },
      style: { useConst: 'error' },
      suspicious: { noApproximativeNumericConstant: 'off', noDoubleEquals: 'off' }, // == is === in AssemblyScript
    },
  },
};

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-lint-'));
try {
  writeFileSync(join(folder, 'biome.json'), JSON.stringify(CONFIG));
  for (const name of readdirSync('assembly', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const source = readFileSync(join('assembly', name), 'utf8');
    const copy = join(folder, 'assembly', name);
    mkdirSync(dirname(copy), { recursive: true });
    writeFileSync(copy, source.replace(/^(\s*)@\w+(?= *$)/gm, '$1//'));
  }
  const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome');
  const { status } = spawnSync(process.execPath, [biome, 'lint', '--error-on-warnings', 'assembly'], {
    cwd: folder,
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
