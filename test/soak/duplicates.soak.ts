/**
 * From which cosine on `edgeclip duplicates` calls photos nearly equal: the ten photos after the edits of test/oracle/edits.py, with the
 * embedded model. Prints the table that docs/search.md has. Needs Pillow: EDGECLIP_PYTHON names a Python that has it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { THRESHOLD } from '../../src/cli/duplicates.ts';
import { loadClip, similarity } from '../../src/index.ts';
import { projectPath } from '../cli/command.ts';

const THRESHOLDS = [0.9, 0.92, 0.95, 0.98];

const work = mkdtempSync(join(tmpdir(), 'edgeclip-duplicates-soak-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

it('gives the table of docs/search.md', async () => {
  const edits = join(work, 'edits');
  const script = join(projectPath, 'test/oracle/edits.py');
  const photos = join(projectPath, 'test/golden/photos');
  execFileSync(process.env.EDGECLIP_PYTHON ?? 'python3', [script, photos, edits], { stdio: 'inherit' });
  using clip = await loadClip({ towers: ['image'] });
  const names = readdirSync(join(edits, 'original')).sort();
  const embedded = (edit: string) => clip.encodeImage(names.map((name) => readFileSync(join(edits, edit, name))));
  const originals = await embedded('original');

  const docs = readFileSync(join(projectPath, 'docs/search.md'), 'utf8');
  const rows = [...docs.matchAll(/^\| ((?:JPEG|resized|cropped|flipped).*?) \| .*$/gm)];
  expect(rows.map(([, edit]) => edit).sort()).toEqual(readdirSync(edits).filter((edit) => edit !== 'original').sort()); // biome-ignore format: one line
  const table: string[] = [];
  for (const [, edit] of rows) {
    const edited = await embedded(edit!);
    const cosines = edited.map((embedding, i) => similarity(embedding, originals[i]!)).sort((a, b) => a - b);
    const median = (cosines[names.length / 2 - 1]! + cosines[names.length / 2]!) / 2;
    const reached = THRESHOLDS.map((threshold) => cosines.filter((cosine) => cosine >= threshold).length);
    table.push(`| ${[edit, cosines[0]!.toFixed(3), median.toFixed(3), ...reached].join(' | ')} |`);
  }
  const others = originals.flatMap((a, i) => originals.slice(i + 1).map((b) => similarity(a, b)));
  console.log(`${table.join('\n')}\ndifferent photos: at most ${Math.max(...others).toFixed(3)}`);
  expect(table).toEqual(rows.map(([row]) => row));
  expect(docs).toContain(`Different photos of these ten have at most ${Math.max(...others).toFixed(3)}.`);
  expect(docs).toContain(`calls photos nearly equal from a cosine of ${THRESHOLD} on`);
});
