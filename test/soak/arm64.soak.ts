/** Every check of test/runtimes in the emulated runtimes; CI runs a part. Hours, whatever `--minutes` says. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('the whole suite on arm64', () => {
  const { status } = spawnSync(process.execPath, ['test/runtimes/run.js', '--whole', 'arm64'], { stdio: 'inherit' });
  expect(status).toBe(0);
});
