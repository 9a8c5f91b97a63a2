/** A folder for batches, with the commands that work in it, and what they have written. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Clip, loadClip } from '../../src/index.ts';
import { edgeclip, projectPath, workFolder } from '../cli/command.ts';
import { writePictures } from './pictures.ts';
import { python } from './services.ts';

/** Photos of the tests. */
export const golden = join(projectPath, 'test/golden/photos');

export interface PartTable {
  readonly types: string;
  readonly rows: {
    readonly key: string;
    readonly embedding: number[] | null;
    readonly sha256: string | null;
    readonly error: string | null;
  }[];
}

/** Of a file of tests, for as long as these run. @param count how many pictures are in its folder `photos` */
export function useBatchFolder(count = 0) {
  const { path, remove } = workFolder({});
  mkdirSync(path, { recursive: true });
  const at = (name: string) => join(path, name);
  const run = (...args: string[]) => edgeclip(args, { cwd: path });
  if (count > 0) beforeAll(() => writePictures(at('photos'), count));
  afterAll(remove);
  return {
    path,
    at,
    run,
    async plan(...args: string[]): Promise<string> {
      const { code, stdout, stderr } = await run('batch', 'plan', ...args);
      expect(code, stderr).toBe(0);
      return stdout;
    },
    /** The names of an output's files, but for those of the plan. */
    parts: (output: string): string[] =>
      readdirSync(at(output), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('plan'))
        .map((entry) => entry.name)
        .sort(),
    /** A part, as pyarrow reads it. */
    table(part: string): PartTable {
      const script =
        'import json, sys, pyarrow.parquet as pq; t = pq.read_table(sys.argv[1]);' +
        'print(json.dumps({"types": "; ".join(f"{f.name} {f.type}" for f in t.schema), "rows": t.to_pylist()}))';
      return JSON.parse(execFileSync(python, ['-c', script, at(part)], { encoding: 'utf8', maxBuffer: 1 << 28 }));
    },
  };
}

/** The embedded model's image tower, loaded before the tests of a file. */
export function useImageTower(): { readonly clip: Clip } {
  let clip: Clip;
  beforeAll(async () => {
    clip = await loadClip({ towers: ['image'] });
  });
  afterAll(() => clip.dispose());
  return {
    get clip() {
      return clip;
    },
  };
}
