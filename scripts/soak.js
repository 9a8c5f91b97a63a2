// npm run soak -- [NAME]... [--minutes N]: the long tests of test/soak, each for N minutes (10 unless said). Without a name it
// lists them.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const ENDING = '.soak.ts';
const { values: flags, positionals: names } = parseArgs({
  options: { minutes: { type: 'string', default: '10' } },
  allowPositionals: true,
});
const known = readdirSync('test/soak')
  .filter((name) => name.endsWith(ENDING))
  .map((name) => name.slice(0, -ENDING.length));
if (!(Number(flags.minutes) > 0)) throw new RangeError(`--minutes must be a positive number, got "${flags.minutes}"`);
if (names.length === 0) {
  console.log(known.map((name) => `npm run soak -- ${name}`).join('\n'));
} else {
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`no soak test "${name}"; there are ${known.join(', ')}`);
  }
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
  const files = names.map((name) => `test/soak/${name}${ENDING}`);
  const env = { ...process.env, EDGECLIP_SOAK_MINUTES: flags.minutes };
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--project', 'soak', ...files], {
    stdio: 'inherit',
    env,
  });
  process.exitCode = status ?? 1;
}
