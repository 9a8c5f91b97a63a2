/** Tar files of pictures, as they come. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packTar } from 'modern-tar';
import { expect, it } from 'vitest';
import { golden, useBatchFolder, useImageTower } from './batch-folder.ts';
import { smallPictures } from './pictures.ts';
import { python } from './services.ts';

const folder = useBatchFolder();
const { at, run, plan, table } = folder;
const model = useImageTower();

it('reads tar files as they come', async () => {
  const members = [...smallPictures(30)].map(({ name, bytes }) => ({ header: { name: name.slice(2), size: bytes.length }, body: bytes })); // biome-ignore format: one line
  const text = { header: { name: '000000.txt', size: 5 }, body: 'a cat' };
  mkdirSync(at('tars'));
  writeFileSync(at('tars/a.tar'), await packTar([text, ...members.slice(0, 10)]));
  writeFileSync(at('tars/b.tar'), await packTar(members.slice(10)));
  expect(await plan('tars', '--tars', '--output', 'from-tars')).toBe('2 tar files in 2 shards\n');
  expect((await run('batch', 'work', '--output', 'from-tars')).code).toBe(0);
  expect(table('from-tars/part-00000.parquet').rows.map(({ key }) => key)).toEqual(members.slice(0, 10).map(({ header }) => `a.tar/${header.name}`)); // biome-ignore format: one line
  const [expected] = await model.clip.encodeImage([members[12]!.body]);
  const [, , third] = table('from-tars/part-00001.parquet').rows;
  expect(Float32Array.from(third!.embedding!)).toEqual(expected);
});

it('gives each member of a tar file a key of its own, whatever its name is', async () => {
  const script = String.raw`
import io, sys, tarfile
for format in ('USTAR', 'GNU', 'PAX'):
    with tarfile.open(f'named-tars/{format}.tar', 'w', format=getattr(tarfile, f'{format}_FORMAT'), encoding='utf-8', errors='surrogateescape') as tar:
        for name in (b'\xff.png', b'\xfe.png', 'größe.png'.encode(), b'e' * 60 + b'/' + b'\xfd' * 70 + b'.png', b'f/' + b'\xfc' * 120 + b'.png'):
            if format == 'USTAR' and len(name) > 100 and name[0] != 101: continue
            member = tarfile.TarInfo(name.decode('utf-8', 'surrogateescape'))
            photo = open(sys.argv[1], 'rb').read()
            member.size = len(photo)
            tar.addfile(member, io.BytesIO(photo))`;
  mkdirSync(at('named-tars'));
  execFileSync(python, ['-c', script, join(golden, 'cat.png')], { cwd: folder.path });
  await plan('named-tars', '--tars', '--output', 'from-named');
  expect((await run('batch', 'work', '--output', 'from-named')).code).toBe(0);
  const [short, long, longer] = [['\\xff.png', '\\xfe.png', 'größe.png'], `${'e'.repeat(60)}/${'\\xfd'.repeat(70)}.png`, `f/${'\\xfc'.repeat(120)}.png`] as const; // biome-ignore format: one line
  for (const [i, [format, names]] of Object.entries({
    GNU: [...short, long, longer],
    PAX: [...short, long, longer],
    USTAR: [...short, long],
  }).entries()) {
    // biome-ignore format: one line
    const found = table(`from-named/part-0000${i}.parquet`).rows;
    expect(found.map(({ key }) => key)).toEqual(names.map((name) => `${format}.tar/${name}`));
    expect(found.every(({ embedding }) => embedding !== null)).toBe(true);
  }
});

it('reads what a link in a tar file leads to, before or behind it, and says where it leads to nothing', async () => {
  const script = String.raw`
import io, sys, tarfile
cat, rocket = (open(path, 'rb').read() for path in sys.argv[1:])
long = 'l/' * 60
for format in ('GNU', 'PAX'):
    with tarfile.open(f'linked-tars/{format}.tar', 'w', format=getattr(tarfile, f'{format}_FORMAT'), encoding='utf-8', errors='surrogateescape') as tar:
        def add(name, type=tarfile.REGTYPE, target='', data=b''):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = type, target, len(data)
            tar.addfile(member, io.BytesIO(data))
        add('a/folder.png', tarfile.DIRTYPE)
        add('a/later.png', tarfile.SYMTYPE, '../b/rocket')
        add('a/note.txt', data=b'a note')
        add('./a/cat.png', data=cat)
        add('a/hard.png', tarfile.LNKTYPE, './a/cat.png')
        add('b/chain.png', tarfile.SYMTYPE, '../a/hard.png')
        add('b/none.png', tarfile.SYMTYPE, '/etc/passwd')
        add('b/out.png', tarfile.SYMTYPE, '../../a/cat.png')
        add('b/absolute.png', tarfile.SYMTYPE, '/a/cat.png')
        add('shelf', tarfile.SYMTYPE, './a')
        add('b/shelf.png', tarfile.SYMTYPE, '../shelf/cat.png')
        add('b/one.png', tarfile.SYMTYPE, 'two.png')
        add('b/two.png', tarfile.SYMTYPE, 'one.png')
        add('b/note.png', tarfile.LNKTYPE, 'a/note.txt')
        add('b/fifo.png', tarfile.FIFOTYPE)
        add('b/rocket', data=rocket)
        add(long + '\udcff.png', data=cat)
        add('b/long.png', tarfile.LNKTYPE, long + '\udcff.png')
        add('b/other.png', tarfile.LNKTYPE, long + '\udcfe.png')`;
  const photos = ['cat.png', 'rocket.jpg'].map((name) => join(golden, name));
  mkdirSync(at('linked-tars'));
  execFileSync(python, ['-c', script, ...photos], { cwd: folder.path });
  await plan('linked-tars', '--tars', '--output', 'linked');
  expect((await run('batch', 'work', '--output', 'linked')).code).toBe(0);
  const [cat, rocket] = await model.clip.encodeImage(photos.map((path) => new Uint8Array(readFileSync(path))));
  const nowhere = (target: string) => `it is a link to "${target}", which is not in the tar file [IO]`;
  const long = 'l/'.repeat(60);
  for (const [i, format] of ['GNU', 'PAX'].entries()) {
    const { rows } = table(`linked/part-0000${i}.parquet`);
    const found = rows.map(({ key, embedding, error }) => [key, error ?? Float32Array.from(embedding!)]);
    const expected: [string, unknown][] = [
      ['./a/cat.png', cat],
      ['a/hard.png', cat],
      ['b/chain.png', cat],
      ['b/shelf.png', cat],
      ['b/note.png', expect.stringContaining('[IMAGE_FORMAT]')],
      ['b/fifo.png', 'it is not a regular file [IO]'],
      [`${long}\\xff.png`, cat],
      ['b/long.png', cat],
      ['a/later.png', rocket],
      ['b/none.png', nowhere('/etc/passwd')],
      ['b/out.png', nowhere('../../a/cat.png')],
      ['b/absolute.png', nowhere('/a/cat.png')],
      ['b/one.png', nowhere('two.png')],
      ['b/two.png', nowhere('one.png')],
      ['b/other.png', expect.stringContaining('which is not in the tar file')],
    ];
    expect(found).toEqual(expected.map(([name, what]) => [`${format}.tar/${name}`, what]));
  }
});
