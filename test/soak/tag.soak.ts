/**
 * From which cosine on the words of a vocabulary are right: nine photos in 100 seeded variants each (10 in the short form,
 * `EDGECLIP_SOAK_MINUTES` below 1, as in CI), with the 30 words of examples/labels.txt. docs/search.md has the long form's numbers.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { DEFAULT_THRESHOLD } from '../../src/cli/calibration.ts';
import type { Report } from '../../src/eval/report.ts';
import { loadClip, preprocess } from '../../src/index.ts';
import { projectPath } from '../cli/command.ts';
import { Random } from '../kernels/random.ts';
import { SIDE, variant } from './variants.ts';

const VARIANTS = Number(process.env.EDGECLIP_SOAK_MINUTES ?? 10) < 1 ? 10 : 100;
/** What the photos show, as the vocabulary calls it. The retina has no word. */
const PHOTOS: Readonly<Record<string, readonly string[]>> = {
  'astronaut.png': ['astronaut', 'person', 'rocket'], // a model of one stands behind her
  'brick-wall.png': ['brick wall'],
  'cat.png': ['cat'],
  'coffee.png': ['cup of coffee'],
  'coins.png': ['coin'],
  'galaxies.jpg': ['galaxy'],
  'grass.png': ['grass'],
  'photographer.png': ['photographer', 'person'],
  'retina.jpg': [],
  'rocket.jpg': ['rocket'],
};

const work = mkdtempSync(join(tmpdir(), 'edgeclip-tag-soak-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const random = new Random(Number(process.env.EDGECLIP_SOAK_SEED ?? 1));

it('gives the threshold of the embedded model', async () => {
  using clip = await loadClip({ towers: ['image'] });
  mkdirSync(join(work, 'photos'));
  const lines: string[] = [];
  for (const [name, tags] of Object.entries(PHOTOS)) {
    const photo = readFileSync(join(projectPath, 'test/golden/photos', name));
    const { data } = await preprocess(photo, { ...clip.preprocess, size: SIDE });
    for (let i = 0; i < VARIANTS; i++) {
      const file = `${name}-${i}.png`;
      writeFileSync(join(work, 'photos', file), variant(data, random));
      lines.push(JSON.stringify({ file, tags }));
    }
  }
  writeFileSync(join(work, 'tags.jsonl'), lines.join('\n'));
  const words = join(projectPath, 'examples/labels.txt');
  const args = ['eval', 'photos', '--vocabulary', words, '--tags', 'tags.jsonl', '--json'];
  const printed = execFileSync(process.execPath, [join(projectPath, 'dist/cli/main.js'), ...args], {
    cwd: work,
    encoding: 'utf8',
  });
  const { tagging } = JSON.parse(printed) as Report;
  console.log(JSON.stringify(tagging, null, 1));
  expect(tagging!.heldOut!.precision).toBeGreaterThan(0.8);
  const byDefault = tagging!.curve.find(({ threshold }) => threshold === DEFAULT_THRESHOLD)!;
  expect(byDefault.precision).toBeGreaterThan(0.95);
  expect(byDefault.recall).toBeGreaterThan(0.35);
});
