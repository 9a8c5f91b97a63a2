import {
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Clip, loadClip } from '../../src/index.ts';
import { openPhotos } from '../../src/search/index.ts';
import { openSqlite } from '../../src/search/sqlite.ts';
import { nearest } from '../../src/similarity.ts';
import { edgeclip, projectPath, workFolder } from '../cli/command.ts';

const work = workFolder({});
const photos = join(work.path, 'photos');
const golden = join(projectPath, 'test/golden/photos');
const names = ['cat.png', 'coffee.png', 'rocket.jpg', 'grass.png'];
const at = (name: string) => join(photos, name);
const run = (...args: string[]) => edgeclip(args, { cwd: work.path });
const hits = (stdout: string) => stdout.trimEnd().split('\n').map((line) => line.slice(9)); // biome-ignore format: one step

let clip: Clip;
beforeAll(async () => {
  clip = await loadClip();
  mkdirSync(join(photos, 'more'), { recursive: true });
  for (const name of names) copyFileSync(join(golden, name), at(name));
  writeFileSync(at('bad.jpg'), 'no picture');
});
afterAll(() => {
  clip.dispose();
  work.remove();
});

it('indexes photos, and again only what has changed', async () => {
  const first = await run('index', 'photos', '--to', 'p.db');
  expect([first.code, first.stdout]).toEqual([1, 'p.db: 4 photos (4 new, 1 failed)\n']);
  expect(first.stderr).toContain('photos/bad.jpg": ');
  expect((await run('index', '--errors', '--to', 'p.db')).stdout).toMatch(/photos\/bad\.jpg: .*\[IMAGE_FORMAT\]\n$/);

  const before = await openPhotos(join(work.path, 'p.db'), { readOnly: true });
  const known = new Map((await before.photos()).map(({ path, id }) => [path, id]));
  await before.close();
  renameSync(at('cat.png'), at('more/kitty.png')); // keeps its vector
  copyFileSync(at('coffee.png'), at('copy.png')); // has that of its original
  rmSync(at('rocket.jpg'));
  rmSync(at('bad.jpg'));
  utimesSync(at('grass.png'), 1, 1); // the same content
  const second = await run('index', 'photos', '--to', 'p.db');
  expect([second.code, second.stderr]).toEqual([0, '']);
  expect(second.stdout).toBe('p.db: 4 photos (1 new, 1 moved, 1 removed)\n');
  expect((await run('index', '--errors', '--to', 'p.db')).stdout).toBe('');
  const after = await openPhotos(join(work.path, 'p.db'), { readOnly: true });
  const ids = new Map((await after.photos()).map(({ path, id }) => [path, id]));
  expect(ids.get(at('more/kitty.png'))).toBe(known.get(at('cat.png')));
  for (const name of ['coffee.png', 'grass.png']) expect(ids.get(at(name))).toBe(known.get(at(name)));
  const [coffee, copy] = await Promise.all(['coffee.png', 'copy.png'].map((name) => after.vector(ids.get(at(name))!)));
  expect(copy).toEqual(coffee);
  await after.close();
  expect((await run('index', 'photos', '--to', 'p.db')).stdout).toBe('p.db: 4 photos (nothing new)\n');
});

it('makes no index without a photo, and keeps one whose folder is empty, as where a disk is not mounted', async () => {
  const folder = join(work.path, 'empty');
  mkdirSync(folder);
  for (const args of [['empty'], ['none.png'], ['empty', 'none.png']]) {
    const { code, stdout, stderr } = await run('index', ...args, '--to', 'e.db');
    expect([code, stdout]).toEqual([1, '']);
    for (const name of args) expect(stderr).toContain(`error: "${name}": `);
    expect(existsSync(join(work.path, 'e.db'))).toBe(false);
  }
  mkdirSync(join(folder, 'disk'));
  for (const name of ['cat.png', 'disk/rocket.jpg']) copyFileSync(join(golden, name.split('/').at(-1)!), join(folder, name)); // biome-ignore format: one line
  await run('index', 'empty', '--to', 'e.db');
  rmSync(join(folder, 'disk/rocket.jpg'));
  const inner = await run('index', 'empty', '--to', 'e.db');
  expect([inner.code, inner.stdout]).toEqual([0, 'e.db: 2 photos (nothing new)\n']);
  expect(inner.stderr).toMatch(/warning: ".*\/empty\/disk" has no photos now: its 1 photo stays .*--allow-empty/);
  rmSync(join(folder, 'cat.png'));
  writeFileSync(join(folder, 'not mounted.txt'), '');
  const kept = await run('index', 'empty', '--to', 'e.db');
  expect([kept.code, kept.stdout]).toEqual([1, 'e.db: 2 photos (1 failed)\n']);
  expect(kept.stderr).toMatch(/warning: ".*\/empty" has no photos now: its 2 photos stay/);
  expect((await run('index', '--errors', '--to', 'e.db')).stdout).toBe(''); // a folder is not a photo
  copyFileSync(join(golden, 'cat.png'), join(folder, 'cat.png'));
  expect((await run('index', 'empty', '--to', 'e.db')).stdout).toBe('e.db: 2 photos (nothing new)\n'); // mounted again
  rmSync(join(folder, 'disk'), { recursive: true });
  expect((await run('index', 'empty', '--to', 'e.db')).stdout).toBe('e.db: 1 photo (1 removed)\n'); // a folder that was removed
  rmSync(folder, { recursive: true });
  const missing = await run('index', 'empty', '--to', 'e.db');
  expect([missing.code, missing.stdout]).toEqual([1, 'e.db: 1 photo (1 failed)\n']);
  const meant = await run('index', 'empty', '--to', 'e.db', '--allow-empty');
  expect([meant.code, meant.stdout, meant.stderr]).toEqual([0, 'e.db: 0 photos (1 removed)\n', '']);
  mkdirSync(folder);
  expect((await run('index', 'empty', '--to', 'e.db', '--allow-empty')).stdout).toBe('e.db: 0 photos (nothing new)\n');
  expect((await run('index', 'no-such-folder', '--to', 'e.db', '--allow-empty')).code).toBe(1);
});

it('two files that change their names keep both vectors', async () => {
  const swapped = join(work.path, 'swapped');
  mkdirSync(swapped);
  for (const name of ['grass.png', 'rocket.jpg']) copyFileSync(join(golden, name), join(swapped, name.slice(0, 5)));
  const [grass, rocket] = ['grass', 'rocke'].map((name) => join(swapped, name));
  for (const path of [grass, rocket]) renameSync(path!, `${path}.png`);
  await run('index', 'swapped', '--to', 's.db');
  renameSync(`${grass}.png`, `${grass}.tmp`);
  renameSync(`${rocket}.png`, `${grass}.png`);
  renameSync(`${grass}.tmp`, `${rocket}.png`);
  expect((await run('index', 'swapped', '--to', 's.db')).stdout).toBe('s.db: 2 photos (2 new)\n');
  const store = await openPhotos(join(work.path, 's.db'), { readOnly: true });
  for (const { id, path } of await store.photos()) {
    expect(await store.vector(id)).toEqual(await clip.encodeImage(readFileSync(path)));
  }
  await store.close();
});

it('makes damaged vectors again, and says which', async () => {
  const path = join(work.path, 'damaged.db');
  copyFileSync(join(work.path, 'p.db'), path);
  const store = await openPhotos(path, { readOnly: true });
  const [first, second, third] = await store.photos();
  const vectors = await Promise.all([first, second, third].map((photo) => store.vector(photo!.id)));
  await store.close();
  const database = openSqlite(path);
  database.exec(`UPDATE vectors SET vector = zeroblob(3) WHERE id = ${first!.id};
    UPDATE vectors SET vector = randomblob(4 * ${clip.config.embedDim}) WHERE id = ${second!.id};
    DELETE FROM vectors WHERE id = ${third!.id}`);
  database.close();
  expect((await run('search', 'a cat', '--in', 'damaged.db')).stderr).toMatch(
    /damaged.*edgeclip index.*\[INDEX_FORMAT\]/,
  );

  const one = await run('index', first!.path, '--to', 'damaged.db');
  expect([one.code, one.stdout]).toEqual([1, 'damaged.db: 2 photos (1 new, 2 failed)\n']);
  expect(one.stderr).toContain(`note: "${first!.path}": its vector in the index was damaged, and was made again`);
  expect(one.stderr).toContain(`error: "${second!.path}": its vector in the index was damaged; index it`);
  expect((await run('search', 'a cat', '--in', 'damaged.db')).code).toBe(0); // those that are there can be searched
  expect((await run('index', '--errors', '--to', 'damaged.db')).stdout.split('\n')).toHaveLength(3);
  const all = await run('index', 'photos', '--to', 'damaged.db');
  expect([all.code, all.stderr]).toEqual([0, '']);
  const again = await openPhotos(path, { readOnly: true });
  const ids = new Map((await again.photos()).map(({ path, id }) => [path, id]));
  for (const [i, photo] of [first, second, third].entries()) {
    expect(await again.vector(ids.get(photo!.path)!)).toEqual(vectors[i]);
  }
  await again.close();
});

it('finds them as nearest does, by words, by a picture, and by both', async () => {
  const files = ['coffee.png', 'copy.png', 'grass.png', 'more/kitty.png'].map(at);
  const vectors = await clip.encodeImage(files.map((path) => readFileSync(path)));
  const [words, not] = await clip.encodeText(['a photo of a cat', 'a cup']);
  const image = vectors[2]!;

  const json = await run('search', 'a photo of a cat', '--in', 'p.db', '--json');
  const found = json.stdout.trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one step
  const expected = await nearest(words!, vectors, 4);
  // Equal ones in the order in which they were added: the copy came last.
  expect(found.map(({ file }) => file)).toEqual(expected.map(({ index }) => files[index]));
  expect(found[0]).toEqual({ file: at('more/kitty.png'), similarity: expect.closeTo(expected[0]!.similarity, 6) });

  const mixed = words!.map((x, i) => x - 0.5 * not![i]! + 2 * image[i]!);
  const args = ['search', 'a', 'photo of a cat', '--not', 'a cup', '--image', at('grass.png'), '--image-weight', '2'];
  const plain = await run(...args, '--in', 'p.db', '--top', '3');
  expect(hits(plain.stdout)).toEqual((await nearest(mixed, vectors, 3)).map(({ index }) => files[index]));
});

it('writes paths for xargs, and a page that needs nothing else', async () => {
  const paths = await run('search', 'a cat', '--in', 'p.db', '--paths0', '--top', '2');
  expect(paths.stdout.split('\0')).toEqual([at('more/kitty.png'), expect.any(String), '']);
  const { stdout } = await run('search', 'a <cat>', '--in', 'p.db', '--html', '--top', '3');
  expect(stdout).toContain('<title>a &lt;cat&gt;</title>');
  expect(stdout.match(/<img src="data:image\/png;base64,/g)).toHaveLength(3);
  expect(stdout).not.toMatch(/<script|https?:/);
  expect(stdout).toContain(`href="${pathToFileURL(at('more/kitty.png'))}"`);
});

it('lists copies first, then photos that are nearly equal', async () => {
  const store = await openPhotos(join(work.path, 'd.db'), {
    create: { model: clip, dimension: 4, pictures: { orient: false, scaled: false } },
  });
  const add = [
    ['a', '1', [1, 0, 0, 0]],
    ['near a', '2', [1, 0.2, 0, 0]],
    ['b', '3', [0, 0, 1, 0]],
    ['near near a', '4', [1, 0.45, 0, 0]], // near enough to the second alone
    ['copy of b', '3', [0, 0, 1, 0]],
    ['alone', '5', [0, 0, 0, 1]],
  ] as const;
  const folder = join(work.path, 'of another machine');
  const file = (name: string) => ({ path: join(folder, name), size: 1, mtime: 1 });
  await store.change({ add: add.map(([name, hash, v]) => ({ ...file(name), hash, vector: Float32Array.from(v) })) });
  await store.close();
  const { stdout } = await run('duplicates', '--in', 'd.db', '--threshold', '0.95');
  const near = await openPhotos(join(work.path, 'd.db'), { readOnly: true });
  const found = await near.search([1, 0, 0, 0], 3); // their cosines are those of a search, to the last bit
  await near.close();
  const listed = (await run('duplicates', '--in', 'd.db', '--threshold', '0.95', '--json')).stdout.split('\n')[1]!;
  const cosines = JSON.parse(listed).photos.map(({ similarity }: { similarity: number }) => Math.fround(similarity));
  expect(cosines).toEqual(found.map(({ similarity }) => similarity));
  expect(stdout.replaceAll(`${folder}/`, '')).toBe(
    '  copy  b\n  copy  copy of b\n\n1.0000  a\n0.9806  near a\n0.9119  near near a\n',
  );
  const none = await run('duplicates', '--in', 's.db', '--json');
  expect([none.code, none.stdout, none.stderr]).toEqual([0, '', 'no duplicates\n']);
  const [, group] = (await run('duplicates', '--in', 'd.db', '--threshold', '0.98', '--json')).stdout.split('\n');
  expect(JSON.parse(group!)).toMatchObject({
    exact: false,
    photos: [{ similarity: 1 }, { file: join(folder, 'near a') }],
  });
});

it('sorts photos into folders, and overwrites nothing', async () => {
  const into = join(work.path, 'sorted');
  const sort = (...more: string[]) =>
    run('sort', 'unsorted', '-l', 'a cat,a cup of coffee', '--into', 'sorted', ...more);
  mkdirSync(join(work.path, 'unsorted'));
  for (const name of ['cat.png', 'coffee.png']) copyFileSync(join(golden, name), join(work.path, 'unsorted', name));
  const tree = () => readdirSync(into, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.')).sort(); // biome-ignore format: one step
  expect((await sort('--dry-run')).stdout).toContain('unsorted/cat.png -> sorted/a cat/cat.png\n');
  expect(existsSync(into)).toBe(false);
  mkdirSync(join(into, 'a cat'), { recursive: true });
  writeFileSync(join(into, 'a cat/cat.png'), 'another');
  await sort();
  const copied = ['a cat/cat-2.png', 'a cat/cat.png', 'a cup of coffee/coffee.png'];
  expect(tree()).toEqual(copied);
  expect(readFileSync(join(into, 'a cat/cat.png'), 'utf8')).toBe('another');
  expect(readFileSync(join(into, 'a cat/cat-2.png'))).toEqual(readFileSync(join(golden, 'cat.png')));
  copyFileSync(join(golden, 'grass.png'), join(work.path, 'unsorted/coffee.png')); // other content, the same name
  const moved = await sort('--move');
  expect(moved.stdout).toMatch(/cat\.png -> .*: is there\n/);
  expect(tree()).toHaveLength(4); // a file that is there is not put there again
  expect(readdirSync(join(work.path, 'unsorted'))).toEqual(['cat.png']);
  expect((await sort('--link', '--move')).code).toBe(2);
  // A file system without links, as exFAT is.
  writeFileSync(
    join(work.path, 'no-links.mjs'),
    `import fs from 'node:fs';
     import { syncBuiltinESMExports } from 'node:module';
     fs.symlinkSync = () => { throw Object.assign(new Error('EPERM: operation not permitted, symlink'), { code: 'EPERM' }); };
     syncBuiltinESMExports();`,
  );
  const noLinks = { cwd: work.path, imports: ['./no-links.mjs'] };
  const links = await edgeclip(['sort', 'photos/grass.png', '-l', 'a cat,grass', '--into', 'l', '--link'], noLinks);
  expect([links.code, links.stderr]).toEqual([
    1,
    'error: "photos/grass.png": symbolic links cannot be made there: use --copy\n',
  ]);
  expect((await run('sort', 'unsorted', '-l', 'a/b,a?b', '--into', 'x')).stderr).toContain(
    'would share the folder "a_b"',
  );
});

it('sorted photos keep their time, also on another disk, and links lead where they led', async () => {
  const from = join(work.path, 'dated');
  mkdirSync(from);
  const day = new Date('2019-03-04T05:06:07Z');
  copyFileSync(join(golden, 'cat.png'), join(from, 'cat.png'));
  utimesSync(join(from, 'cat.png'), day, day);
  symlinkSync('cat.png', join(from, 'link.png'));
  writeFileSync(
    join(work.path, 'other-disk.mjs'),
    `import fs from 'node:fs';
     import { syncBuiltinESMExports } from 'node:module';
     fs.linkSync = () => { throw Object.assign(new Error('EXDEV: cross-device link not permitted'), { code: 'EXDEV' }); };
     syncBuiltinESMExports();`,
  );
  const sort = (...args: string[]) => ['sort', ...args, '-l', 'a cat,grass'];
  await run(...sort('dated/cat.png', '--into', 'copies'));
  expect(statSync(join(work.path, 'copies/a cat/cat.png')).mtime).toEqual(day);
  await run(...sort('dated/link.png', '--into', 'moved', '--move'));
  expect(readdirSync(from)).toEqual(['cat.png']);
  expect(readFileSync(join(work.path, 'moved/a cat/link.png'))).toEqual(readFileSync(join(golden, 'cat.png')));
  const options = { cwd: work.path, imports: ['./other-disk.mjs'] };
  await edgeclip(sort('dated/cat.png', '--into', 'disk', '--move'), options);
  expect(statSync(join(work.path, 'disk/a cat/cat.png')).mtime).toEqual(day);
  expect(readdirSync(from)).toEqual([]);
});

it('links go with the photo that they lead to, by whatever name', async () => {
  const from = join(work.path, 'linked');
  mkdirSync(join(from, 'sub'), { recursive: true });
  copyFileSync(join(golden, 'cat.png'), join(from, 'm.png'));
  symlinkSync('m.png', join(from, 'a.png')); // before it in the order of names
  symlinkSync('m.png', join(from, 'z.png'));
  symlinkSync('z.png', join(from, 'zz.png'));
  symlinkSync('../m.png', join(from, 'sub/m.png'));
  linkSync(join(from, 'm.png'), join(from, 'hard.png'));
  symlinkSync('linked', join(work.path, 'same')); // its paths are not links of their own
  const sort = (...args: string[]) =>
    run('sort', 'linked', 'same/m.png', '-r', ...args, '-l', 'a cat,grass', '--into', 'linked-to', '--move');
  expect((await sort('--dry-run')).stdout.trim().split('\n')).toHaveLength(6);
  expect(readdirSync(from)).toHaveLength(6);
  const { code, stdout, stderr } = await sort();
  expect([code, stderr, stdout.trim().split('\n').length]).toEqual([0, '', 6]);
  expect(readdirSync(from).sort()).toEqual(['sub']);
  const to = join(work.path, 'linked-to/a cat');
  expect(readdirSync(to).sort()).toEqual(['a.png', 'hard.png', 'm-2.png', 'm.png', 'z.png', 'zz.png']);
  for (const name of readdirSync(to)) {
    expect(readFileSync(join(to, name))).toEqual(readFileSync(join(golden, 'cat.png'))); // none leads nowhere
    expect(lstatSync(join(to, name)).isSymbolicLink()).toBe(!/^(hard|m).png/.test(name));
  }
});

it('refuses what cannot be', async () => {
  const messages: [string[], number, RegExp][] = [
    [['search', '--in', 'p.db'], 2, /nothing to search for/],
    [['search', 'cat', '--in', 'none.db'], 1, /there is no index "none\.db": make it with edgeclip index/],
    [['search', 'cat', '--in', 'p.db', '--precision', 'f32'], 1, /in int8.*in f32.*\[INDEX_MODEL\]/],
    [['search', 'cat', '--not-weight', '0'], 2, /--not-weight must be/],
    [['search', '--image', 'none.png', '--in', 'p.db'], 1, /"none\.png": there is no such file \[IO\]/],
    [['index', 'photos', '--to', 'p.db', '--orient'], 1, /no options for pictures.*--orient.*\[INDEX_MODEL\]/],
    [
      ['search', '--image', 'photos/grass.png', '--in', 'p.db', '--image-size', '128'],
      1,
      /--image-size 128.*\[INDEX_MODEL\]/,
    ],
    [['index', 'photos', '--to', 'photos/grass.png'], 2, /same file as the image/],
    [['index', '--to', 'p.db'], 2, /missing required argument 'photos'/],
  ];
  for (const [args, code, message] of messages) {
    const outcome = await run(...args);
    expect([args, outcome.code, outcome.stderr]).toEqual([args, code, expect.stringMatching(message)]);
  }
  expect(readdirSync(work.path).filter((name) => name.startsWith('none'))).toEqual([]);
});
