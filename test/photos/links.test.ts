/** Symbolic and hard links in a photo index. Needs `npm run build`. */
import { copyFileSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openPhotos } from '../../src/search/index.ts';
import { edgeclip, projectPath, workFolder } from '../cli/command.ts';

const work = workFolder({ 'photos/none.txt': '' });
const golden = join(projectPath, 'test/golden/photos');
const run = (...args: string[]) => edgeclip(args, { cwd: work.path });
afterAll(() => work.remove());

it('a file with several paths is one photo, at its own path, and no copy of itself', async () => {
  const own = join(work.path, 'own');
  const links = join(work.path, 'links');
  for (const folder of [own, links]) mkdirSync(folder);
  for (const name of ['cat.png', 'coffee.png', 'rocket.jpg']) copyFileSync(join(golden, name), join(own, name));
  copyFileSync(join(golden, 'cat.png'), join(own, 'true copy.png'));
  symlinkSync('cat.png', join(own, 'a link.png')); // sorts before its target
  linkSync(join(own, 'coffee.png'), join(own, 'a hard link.png'));
  symlinkSync('.', join(own, 'loop'));
  for (const name of ['cat.png', 'rocket.jpg']) symlinkSync(join('..', 'own', name), join(links, name));
  const listed = async () => {
    const store = await openPhotos(join(work.path, 'l.db'), { readOnly: true });
    const photos = await store.photos();
    await store.close();
    return Object.fromEntries(photos.map(({ path, id }) => [path.slice(work.path.length + 1), id]));
  };

  const first = await run('index', 'links', '--to', 'l.db'); // links whose files are elsewhere are photos
  expect([first.code, first.stdout]).toEqual([0, 'l.db: 2 photos (2 new)\n']);
  const before = await listed();
  const both = await run('index', 'own', 'own/cat.png', '--to', 'l.db');
  expect(both.stdout).toBe('l.db: 4 photos (2 new, 2 moved, 2 links)\n');
  const after = await listed();
  expect(Object.keys(after).sort()).toEqual([
    'own/a hard link.png',
    'own/cat.png',
    'own/rocket.jpg',
    'own/true copy.png',
  ]);
  expect([after['own/cat.png'], after['own/rocket.jpg']]).toEqual([
    before['links/cat.png'],
    before['links/rocket.jpg'],
  ]);
  expect((await run('index', 'own', 'links', '--to', 'l.db')).stdout).toMatch(
    /^l\.db: 4 photos \(nothing new, \d+ links\)/,
  );
  expect(await listed()).toEqual(after);
  linkSync(join(own, 'rocket.jpg'), join(links, 'hard.jpg')); // known by its content, and by its inode
  expect((await run('index', 'links/hard.jpg', '--to', 'l.db')).stdout).toBe('l.db: 4 photos (nothing new, 1 link)\n');

  const copies = await run('duplicates', '--in', 'l.db', '--threshold', '1');
  expect(copies.stdout).toBe(`  copy  ${join(own, 'cat.png')}\n  copy  ${join(own, 'true copy.png')}\n`);
  copyFileSync(join(own, 'rocket.jpg'), join(own, 'true copy.png'));
  const changed = await run('duplicates', '--in', 'l.db', '--threshold', '1');
  expect([changed.stdout, changed.stderr]).toEqual([
    '',
    expect.stringContaining('changed since they were indexed: 1 photo'),
  ]);
  rmSync(join(own, 'true copy.png'));
  expect((await run('duplicates', '--in', 'l.db', '--threshold', '1')).stdout).toBe(''); // the other is not a copy now
  linkSync(join(own, 'cat.png'), join(own, 'true copy.png')); // as tools that save space make it
  expect((await run('duplicates', '--in', 'l.db', '--threshold', '1')).stdout).toBe('');
  expect((await run('index', 'own', '--to', 'l.db')).stdout).toMatch(/^l\.db: 3 photos \(1 removed, \d links\)/);

  writeFileSync(join(own, 'bad.jpg'), 'no picture');
  symlinkSync(join(own, 'bad.jpg'), join(links, 'bad.jpg'));
  const errors = async () =>
    (await run('index', '--errors', '--to', 'l.db')).stdout.trimEnd().split('\n').map((line) => line.split(': ')[0]); // biome-ignore format: one step
  await run('index', 'links/bad.jpg', '--to', 'l.db');
  expect(await errors()).toEqual([join(links, 'bad.jpg')]);
  await run('index', 'own/bad.jpg', 'links/bad.jpg', '--to', 'l.db');
  expect(await errors()).toEqual([join(own, 'bad.jpg')]);
});

it('forgets the failure at a hard link of a file that can be read again', async () => {
  const [a, b] = ['a', 'b'].map((folder) => join(work.path, folder, 'cat.png')) as [string, string];
  for (const folder of ['a', 'b']) mkdirSync(join(work.path, folder));
  writeFileSync(a, 'no picture');
  linkSync(a, b);
  const errors = async () => (await run('index', '--errors', '--to', 'f.db')).stdout;
  for (const folder of ['a', 'b']) await run('index', folder, '--to', 'f.db');
  expect(await errors()).toContain(b);
  copyFileSync(join(golden, 'cat.png'), a); // the same inode
  await run('index', 'a', '--to', 'f.db');
  expect((await run('index', 'b', '--to', 'f.db')).stdout).toBe('f.db: 1 photo (nothing new, 1 link)\n');
  expect(await errors()).toBe('');
});

it('a photo that has become a hard link of another one is that one', async () => {
  const folder = join(work.path, 'replaced');
  mkdirSync(folder);
  const [a, b] = [join(folder, 'a.png'), join(folder, 'b.png')];
  copyFileSync(join(golden, 'cat.png'), a);
  copyFileSync(join(golden, 'coffee.png'), b);
  await run('index', 'replaced', '--to', 'r.db');
  const photos = async () => {
    const store = await openPhotos(join(work.path, 'r.db'), { readOnly: true });
    const found = await store.photos();
    await store.close();
    return found;
  };
  const [, coffee] = await photos();
  rmSync(a);
  linkSync(b, a);
  expect((await run('index', 'replaced', '--to', 'r.db')).stdout).toBe('r.db: 1 photo (1 moved, 1 link)\n');
  expect(await photos()).toEqual([{ ...coffee, path: a }]);
  rmSync(b);
  copyFileSync(join(golden, 'cat.png'), b);
  await run('index', 'replaced', '--to', 'r.db');
  rmSync(b);
  linkSync(a, b);
  expect((await run('index', 'replaced/b.png', '--to', 'r.db')).stdout).toBe('r.db: 1 photo (nothing new, 1 link)\n');
  expect(await photos()).toEqual([{ ...coffee, path: a }]);
});
