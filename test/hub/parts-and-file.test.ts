/** Parts of a file as `edgeclip info` and readers see them, and what becomes of them when the whole file is there. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { reportModel } from '../../src/cli/model-report.ts';
import { TowerParts } from '../../src/hub/tower-parts.ts';
import { openModel } from '../../src/open-model.ts';
import type { Source } from '../../src/weights/source.ts';
import { sha256 } from './fake-hub.ts';
import { asked, BLOCK, ID, list, parts, useParts } from './parts.ts';
import { cache, embedding, golden, here, model, NAME, WEIGHTS, weights } from './surroundings.ts';

useParts();

describe('where only parts are here, edgeclip info', () => {
  const info = async (options: object) =>
    reportModel(await openModel(NAME, { inParts: true, ...options }), { precision: 'int8', threads: 1 });

  it('without the hub says what loads and what does not', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    await here.hub.stop();
    for (const options of [{ localFilesOnly: true }, {}]) {
      const { towers, refused, image } = await info(options);
      expect(towers).toEqual(['image']);
      expect(image).toMatchObject({ file: WEIGHTS, stored: ['F32'] });
      expect(refused.text).toContain(`of ${WEIGHTS} the cache has a part, without what this load needs`);
    }
  });

  it('with the hub fetches nothing of the file, unless its list of tensors is damaged', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    const requests = asked().length;
    expect(await info({})).toMatchObject({ towers: ['image', 'text'], refused: {} });
    expect(asked()).toHaveLength(requests);
    writeFileSync(parts(), readFileSync(parts()).fill(0, 0, 1000));
    expect((await info({ localFilesOnly: true })).refused.image).toContain('or it was damaged');
    expect(await info({})).toMatchObject({ towers: ['image', 'text'], refused: {} });
    expect(new Set(asked().slice(requests))).toEqual(new Set(['bytes=0-262143']));
  });
});

describe('the whole file under its name', () => {
  /** As Python fetches it. */
  function fetched(commit: string): void {
    writeFileSync(cache('blobs', ID), weights);
    symlinkSync(`../../blobs/${ID}`, cache('snapshots', commit, WEIGHTS));
  }

  it('makes its parts unnecessary: they go away, unless another load is at them', async () => {
    const commit = here.hub.publish(NAME, model);
    await embedding();
    fetched(commit);
    const lock = cache('blobs', `${ID}.edgeclip.lock`);
    writeFileSync(lock, `${process.pid} ${hostname()}`);
    expect(await embedding()).toEqual(await golden());
    expect(existsSync(parts())).toBe(true);
    rmSync(lock);
    expect(await embedding()).toEqual(await golden());
    expect([existsSync(parts()), existsSync(list()), existsSync(lock)]).toEqual([false, false, false]);
  });

  it('serves a reader that began with the parts', async () => {
    const commit = here.hub.publish(NAME, model);
    await embedding();
    const source = await reader(commit);
    fetched(commit);
    await embedding();
    expect(existsSync(parts())).toBe(false);
    const all = new Uint8Array(weights.length);
    await source.readInto(0, all);
    await source.close!();
    expect(sha256(all)).toBe(ID);
  });
});

/** The parts as a load reads them. */
function reader(commit: string): Promise<Source> {
  const access = { endpoint: here.hub.address, token: undefined, offline: false, fetch, signal: undefined, onProgress: undefined }; // biome-ignore format: one line
  const places = {
    path: cache('.edgeclip', ID),
    lock: cache('blobs', `${ID}.edgeclip.lock`),
    blob: cache('blobs', ID),
  };
  const url = `${here.hub.address}/${NAME}/resolve/${commit}/${WEIGHTS}`;
  const file = { model: NAME, name: WEIGHTS, url, size: weights.length, id: ID, note: '' };
  return new TowerParts(access, { ...file, ...places }).source(new Set());
}

it.runIf(existsSync('/proc/self/fd'))('blocks that come one by one need one open file', async () => {
  const commit = here.hub.publish(NAME, model);
  await embedding();
  const source = await reader(commit);
  const { ino } = statSync(parts());
  const count = () =>
    readdirSync('/proc/self/fd')
      .map((name) => statSync(`/proc/self/fd/${name}`, { throwIfNoEntry: false })?.ino)
      .filter((one) => one === ino).length;
  expect(count()).toBe(1);
  const requests = asked().length;
  const all = new Uint8Array(weights.length);
  for (let at = 0; at < all.length; at += BLOCK) await source.readInto(at, all.subarray(at, at + BLOCK));
  expect(asked().length - requests).toBeGreaterThan(4);
  expect(count()).toBe(1);
  await source.close!();
  expect(count()).toBe(0);
  expect(sha256(all)).toBe(ID);
});
