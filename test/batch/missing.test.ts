/** A picture that is missing has a row that says so; a disk that is missing ends the worker, and no part is written. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'; // biome-ignore format: one line
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStorage } from '../../src/batch/open-storage.ts';
import { readPlan, readShards } from '../../src/batch/plan.ts';
import { PictureSource } from '../../src/batch/sources.ts';
import type { Storage } from '../../src/batch/storage.ts';
import { workShard } from '../../src/batch/work.ts';
import { indexModel } from '../../src/search/index-model.ts';
import { useBatchFolder, useImageTower } from './batch-folder.ts';

const work = useBatchFolder(60);
const { at } = work;
const run = (...args: string[]) => work.run('batch', ...args);
const model = useImageTower();

/** Pictures and their plan, of one shard, in folders of the test's own. */
async function planned(name: string, ...options: string[]): Promise<Storage> {
  const { code, stderr } = await run('plan', name, '--output', `${name}-out`, ...options);
  expect(code, stderr).toBe(0);
  return openStorage(at(`${name}-out`));
}

/** Works on the batch's one shard, during which `meanwhile` happens. */
async function workOn(output: Storage, meanwhile = () => {}, allowMissing = false) {
  const { head } = (await readPlan(output))!;
  const prepared = { orient: false, scaled: false };
  const made = {
    model: indexModel(model.clip),
    maker: 'm',
    version: 'v',
    dimension: model.clip.config.embedDim,
    prepared,
  };
  for await (const { shard } of readShards(output, (await readPlan(output))!)) {
    const onPicture = (done: number) => done === 3 && meanwhile();
    const job = {
      clip: model.clip,
      head,
      output,
      source: new PictureSource(head, { allowMissing }),
      made,
      options: { orient: false, scaled: false },
    };
    return workShard(shard, { ...job, signal: new AbortController().signal, onPicture });
  }
  throw new Error('no shard');
}
const parts = (name: string) => readdirSync(at(`${name}-out`)).filter((file) => file !== 'plan');

it('gives pictures rows that were removed while the shard was at work, also with their folder', async () => {
  cpSync(at('photos'), at('removed'), { recursive: true });
  const output = await planned('removed');
  rmSync(at('removed/3'), { recursive: true });
  expect(await workOn(output, () => rmSync(at('removed/8/000008.png')))).toEqual({ pictures: 60, failed: 7, wasThere: false }); // biome-ignore format: one line
});

it('ends when the folder of the pictures is gone in the middle of a shard', async () => {
  cpSync(at('photos'), at('gone'), { recursive: true });
  const output = await planned('gone');
  const away = () => renameSync(at('gone'), at('away'));
  await expect(workOn(output, away)).rejects.toThrow(`"${at('gone')}`);
  expect(parts('gone')).toEqual([]);
  renameSync(at('away'), at('gone'));
  expect(await workOn(output)).toEqual({ pictures: 60, failed: 0, wasThere: false });
});

it('ends when a folder is gone of which no picture was read yet', async () => {
  cpSync(at('photos'), at('later'), { recursive: true });
  const output = await planned('later');
  await expect(workOn(output, () => renameSync(at('later/9'), at('nine')))).rejects.toThrow(
    `"${at('later/9')}" is gone`,
  );
  expect(parts('later')).toEqual([]);
});

it('ends when a disk below the folder is unmounted: its folder is empty, or is another disk', async () => {
  // A folder on another device stands in for a disk that is mounted.
  const disk = mkdtempSync('/dev/shm/edgeclip-');
  try {
    cpSync(at('photos'), join(disk, 'in'), { recursive: true });
    mkdirSync(at('mounted'));
    const unmounted = {
      'is gone, but was there': () => mkdirSync(at('mounted/disk')),
      'is on another disk than': () => {
        cpSync(at('photos'), at('mounted/disk/in'), { recursive: true });
        for (const name of readdirSync(at('mounted/disk/in'), { recursive: true, encoding: 'utf8' }))
          if (name.endsWith('.png')) renameSync(at(`mounted/disk/in/${name}`), at(`mounted/disk/in/${name}.txt`));
      },
    };
    const output = await (async () => {
      symlinkSync(disk, at('mounted/disk'));
      return planned('mounted');
    })();
    for (const [what, unmount] of Object.entries(unmounted)) {
      const away = () => {
        rmSync(at('mounted/disk'));
        unmount();
      };
      await expect(workOn(output, away)).rejects.toThrow(`${what} when the shard began: is its disk mounted?`);
      expect(parts('mounted')).toEqual([]);
      rmSync(at('mounted/disk'), { recursive: true });
      symlinkSync(disk, at('mounted/disk'));
    }
    // Before it began there is only the empty folder to tell it by.
    rmSync(at('mounted/disk'));
    mkdirSync(at('mounted/disk'));
    const worked = await run('work', '--output', 'mounted-out');
    expect([worked.code, worked.stderr]).toEqual([1, expect.stringContaining(`the pictures' place "${at('mounted/disk')}" is empty, where the plan has pictures`)]); // biome-ignore format: one line
    expect(parts('mounted')).toEqual([]);
    rmSync(at('mounted/disk'), { recursive: true });
    writeFileSync(at('mounted/readme.txt'), '');
    expect(await workOn(output)).toEqual({ pictures: 60, failed: 60, wasThere: false });
  } finally {
    rmSync(disk, { recursive: true });
  }
});

it('ends for a list whose second folder is gone in the middle', async () => {
  for (const name of ['one', 'two']) cpSync(at('photos'), at(name), { recursive: true });
  const names = ['one', 'two'].flatMap(
    (name) =>
    readdirSync(at(name), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.png')).map((file) => at(`${name}/${file}`)), // biome-ignore format: one line
  );
  // The first of each is read before the second folder is away.
  const sorted = [names[0], names[60], ...names.slice(1, 60), ...names.slice(61)];
  writeFileSync(at('list'), sorted.join('\n'));
  const output = await planned('list', '--list');
  await expect(workOn(output, () => renameSync(at('two'), at('two-away')))).rejects.toThrow(`"${at('two')}`);
  expect(parts('list')).toEqual([]);
  // Nor does a worker begin that comes later.
  await expect(workOn(output)).rejects.toThrow(`"${work.path}" has none of the folders and files of 60 of the shard's 120 pictures: is its disk mounted?`); // biome-ignore format: one line
  expect(parts('list')).toEqual([]);
  expect(await workOn(output, undefined, true)).toEqual({ pictures: 120, failed: 60, wasThere: false });
});

it('ends for a list whose disk was gone before, and gives rows for a few wrong folders', async () => {
  const files = readdirSync(at('photos'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.png')); // biome-ignore format: one line
  mkdirSync(at('mount/disk'), { recursive: true }); // a mount point
  cpSync(at('photos'), at('there'), { recursive: true });
  const lists = {
    'below-mount': files.map((file) => at(`mount/disk/in/${file}`)),
    'in-mount': [...files.slice(0, 50).map((file) => at(`there/${file}`)), ...files.slice(0, 10).map((_, i) => at(`mount/disk/${i}.png`))], // biome-ignore format: one line
    'in-mount-twice': [...files.slice(0, 9).map((_, i) => at(`mount/disk/${i}.png`)), ...files.slice(0, 8).map((_, i) => at(`mount/other/${i}.png`)), ...files.slice(0, 50).map((file) => at(`there/${file}`))], // biome-ignore format: one line
    'one-alone': [at('mount/disk/in/0.png')],
    few: [...files.map((file) => at(`there/${file}`)), ...files.slice(0, 9).map((_, i) => at(`mount/disk/${i % 2}/${i}.png`)), 'https://127.0.0.1:1/'], // biome-ignore format: one line
  };
  for (const [name, paths] of Object.entries(lists)) {
    writeFileSync(at(name), paths.join('\n'));
    const output = await planned(name, '--list');
    if (name === 'few') expect(await workOn(output)).toEqual({ pictures: 70, failed: 10, wasThere: false });
    else {
      await expect(workOn(output), name).rejects.toThrow(`"${at('mount/disk')}" has none of the folders and files of`);
      expect(parts(name)).toEqual([]);
    }
  }
  const ended = await run('work', '--output', 'below-mount-out');
  expect([ended.code, ended.stderr]).toEqual([1, expect.stringMatching(/^error: the pictures' place .* 60 of the shard's 60 pictures: is its disk mounted\?/)]); // biome-ignore format: one line
  const allowed = await run('work', '--output', 'below-mount-out', '--allow-missing');
  expect([allowed.code, allowed.stderr]).toEqual([0, expect.stringMatching(/^part 0: 60 pictures, 60 failed\n/)]);
});

it('gives a row to what a list names and is not there, in an empty folder and beside hidden files too', async () => {
  for (const name of ['empty', 'hidden']) mkdirSync(at(name));
  cpSync(at('photos/0/000000.png'), at('hidden/.a.png'));
  writeFileSync(at('names'), ['empty/a.png', 'hidden/.a.png', 'hidden/.b.png'].join('\n'));
  const output = await planned('names', '--list');
  expect(await workOn(output)).toEqual({ pictures: 3, failed: 2, wasThere: false });
});

it('ends for tar files whose folder is not what it was, before one counts as bad', async () => {
  mkdirSync(at('tars'));
  execFileSync('tar', ['-cf', at('tars/a.tar'), '-C', at('photos'), '.']);
  const output = await planned('tars', '--tars');
  renameSync(at('tars'), at('tars-away'));
  mkdirSync(at('tars'));
  const worked = await run('work', '--output', 'tars-out');
  expect([worked.code, worked.stderr]).toEqual([1, expect.stringContaining(`error: the pictures' place "${at('tars')}" is empty, `)]); // biome-ignore format: one line
  rmSync(at('tars'), { recursive: true });
  renameSync(at('tars-away'), at('tars'));
  expect(await workOn(output)).toMatchObject({ pictures: 60, failed: 0 });
});

it('writes no part where the output is gone', async () => {
  const output = await planned('photos');
  await expect(workOn(output, () => rmSync(at('photos-out'), { recursive: true }))).rejects.toMatchObject({
    code: 'PLAN_FORMAT',
    message: expect.stringMatching(/plan-00000\.jsonl is gone: is its disk mounted\?/),
  });
  expect(existsSync(at('photos-out'))).toBe(false);
});
