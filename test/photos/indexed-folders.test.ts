/** Which of the photos whose files are gone leave an index. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { IndexedFolders } from '../../src/cli/indexed-folders.ts';
import { RealPaths } from '../../src/real-paths.ts';

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof fs>();
  return { ...actual, opendir: vi.fn(actual.opendir) };
});

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'edgeclip-gone-'));
});
afterEach(() => rmSync(top, { recursive: true }));

const put = (name: string) => {
  mkdirSync(dirname(join(top, name)), { recursive: true });
  writeFileSync(join(top, name), '');
};

/** The names of those that are gone for good, and the numbers of those that stay. */
async function gone(names: readonly string[], folders: readonly string[], found: readonly string[]) {
  const inputs = found.map((name) => ({ name: join(top, name), isFile: true, read: () => Promise.reject() }));
  const indexed = new IndexedFolders(folders.map((name) => join(top, name)), inputs, false, new RealPaths()); // biome-ignore format: one line
  const result = await indexed.gone(names.map((name) => ({ path: join(top, name) })));
  return {
    gone: result.gone.map(({ path }) => path.slice(top.length + 1)),
    kept: Object.fromEntries([...result.kept].map(([folder, n]) => [folder.slice(top.length + 1), n])),
  };
}

it('lists each folder once, however many of its files are gone', async () => {
  put('photos/a/left.png');
  mkdirSync(join(top, 'photos/empty'));
  const names = Array.from({ length: 200 }, (_, i) => [`photos/a/${i}.png`, `photos/empty/${i}.png`]).flat();
  vi.mocked(fs.opendir).mockClear();
  expect(await gone(names, ['photos'], ['photos/a/left.png'])).toEqual({
    gone: names.filter((name) => name.startsWith('photos/a/')),
    kept: { 'photos/empty': 200 },
  });
  expect(fs.opendir).toHaveBeenCalledTimes(2);
});

it('keeps the photos of a folder without photos that is given with the folder around it, in any order', async () => {
  put('photos/left.png');
  put('photos/sub/note.txt');
  for (const folders of [
    ['photos', 'photos/sub'],
    ['photos/sub', 'photos'],
  ]) {
    // biome-ignore format: one line
    expect(await gone(['photos/sub/cat.png', 'photos/dog.png'], folders, ['photos/left.png'])).toEqual({
      gone: ['photos/dog.png'],
      kept: { 'photos/sub': 1 },
    });
  }
});

it('does not count hidden files as what a folder has', async () => {
  for (const name of ['left.png', 'hidden/.DS_Store', 'other/note.txt']) put(`photos/${name}`);
  expect(await gone(['photos/hidden/a.png', 'photos/other/a.png'], ['photos'], ['photos/left.png'])).toEqual({
    gone: ['photos/other/a.png'],
    kept: { 'photos/hidden': 1 },
  });
});
