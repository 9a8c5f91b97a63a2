/** Where a file's own disk is gone, as an unplugged drive of Windows, there is no folder to judge it by. */
import { expect, it, vi } from 'vitest';
import { EmptyFolders } from '../../src/search/empty-folders.ts';

const gone = Object.assign(new Error('no such folder'), { code: 'ENOENT' });
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  statSync: () => {
    throw gone;
  },
}));
vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  opendir: () => Promise.reject(gone),
}));

it('ends at a root that is gone', async () => {
  let asked = 0;
  const isWithin = () => {
    if (++asked > 10) throw new Error('asked for the root again');
    return true;
  };
  const folders = new EmptyFolders();
  expect(await folders.hasOthers('/a/b.png', isWithin)).toBe(false);
  expect(await folders.above('/a/b.png', isWithin)).toBeUndefined();
});
