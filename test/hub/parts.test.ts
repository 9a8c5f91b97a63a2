import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BlockList, PARTS } from '../../src/hub/block-list.ts';
import { loadClip } from '../../src/load.ts';
import { writeSafetensors } from '../../src/weights/safetensors.ts';
import { rejection } from '../api/checkpoint.ts';
import { sha256 } from './fake-hub.ts';
import {
  asked,
  BLOCK,
  bytesAsked,
  goldenText,
  ID,
  image,
  list,
  parts,
  textEmbedding,
  useParts,
  visual,
} from './parts.ts';
import { cache, embedding, golden, here, model, NAME, WEIGHTS, weights } from './surroundings.ts';

useParts();

describe('one tower', () => {
  it('is fetched without the other, and is there without the hub from then on', async () => {
    here.hub.publish(NAME, model);
    const progress: { file?: string; loaded: number; total: number }[] = [];
    expect(await embedding(NAME, { onProgress: (one) => void progress.push(one as never) })).toEqual(await golden());
    const needed = BLOCK + Math.ceil(image.end / BLOCK) * BLOCK - Math.floor(image.start / BLOCK) * BLOCK;
    expect(bytesAsked()).toBeLessThanOrEqual(needed);
    expect(bytesAsked()).toBeLessThan(weights.length * 0.7);
    const ofFile = progress.filter(({ file }) => file === WEIGHTS);
    expect(ofFile.at(-1)).toMatchObject({ loaded: bytesAsked(), total: bytesAsked() });
    expect(ofFile.map(({ loaded }) => loaded)).toEqual(ofFile.map(({ loaded }) => loaded).sort((a, b) => a - b));
    expect(readdirSync(cache('blobs')), 'blobs are whole files').not.toContain(ID);
    const requests = asked().length;
    expect(await embedding()).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
    await here.hub.stop();
    expect(await embedding()).toEqual(await golden());
    expect(asked()).toHaveLength(requests);
  });

  it('of texts too; the image tower is then what is missing, and the whole file is what Python knows', async () => {
    const commit = here.hub.publish(NAME, model);
    const progress: { file?: string; loaded: number; total: number }[] = [];
    expect(await textEmbedding({ onProgress: (one: never) => void progress.push(one) })).toEqual(await goldenText());
    const first = bytesAsked();
    const loaded = progress.filter(({ file }) => file === WEIGHTS).map(({ loaded }) => loaded);
    expect(loaded.at(-1), 'to the end of the file').toBe(first);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    expect((await rejection(embedding(NAME, { localFilesOnly: true }))).message).toContain(`of ${WEIGHTS} the cache has a part`); // biome-ignore format: one line
    const both = loadClip(NAME, { localFilesOnly: true });
    expect((await rejection(both)).message).toContain(`of ${WEIGHTS} the cache has a part`);
    expect(await embedding()).toEqual(await golden());
    expect(bytesAsked(), 'each byte came once').toBe(weights.length);
    expect(bytesAsked() - first).toBeLessThan(weights.length * 0.7);
    expect(sha256(readFileSync(cache('snapshots', commit, WEIGHTS)))).toBe(ID);
    expect(readdirSync(cache('.edgeclip')).filter((name) => /parts|blocks/.test(name))).toEqual([]);
    expect(await textEmbedding({ localFilesOnly: true })).toEqual(await goldenText());
  });

  it('and then both at once: the rest comes', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    (await loadClip(NAME)).dispose();
    expect(bytesAsked()).toBe(weights.length);
    expect(statSync(cache('blobs', ID)).size).toBe(weights.length);
  });

  it('of a small file, of one that has no other, or where all of it was begun: the whole file', async () => {
    const { 'open_clip_config.json': config } = model;
    here.hub.publish(NAME, model);
    PARTS.least = weights.length + 1;
    await embedding();
    PARTS.least = 4 * BLOCK;
    expect(asked()).toEqual([undefined]);
    here.hub.asked.length = 0;
    rmSync(cache('blobs', ID));
    writeFileSync(cache('blobs', `${ID}.edgeclip.incomplete`), weights.subarray(0, 100_000));
    expect(await embedding()).toEqual(await golden());
    expect(asked()).toEqual(['bytes=100000-']);
    // The image tower alone.
    const alone = Buffer.concat(writeSafetensors(visual.map((tensor) => ({ ...tensor, data: weights.subarray(tensor.offset, tensor.offset + tensor.byteLength) })))); // biome-ignore format: one line
    here.hub.publish(NAME, { 'open_clip_config.json': config!, [WEIGHTS]: alone });
    expect(await embedding()).toEqual(await golden());
    expect(readdirSync(cache('blobs'))).toContain(sha256(alone));
  });
});

describe('the list of blocks', () => {
  it('that has damaged ones is checked once as long as both files stay as they are', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    const time = new Date('2026-01-01');
    const put = (bytes: Buffer) => {
      writeFileSync(parts(), bytes);
      utimesSync(parts(), time, time);
    };
    const damaged = readFileSync(parts()).fill(0, image.end - 1, image.end);
    put(damaged);
    const blocks = new BlockList(cache('.edgeclip', ID), weights.length);
    const sound = await blocks.here(undefined);
    expect(sound.size).toBeGreaterThan(0);
    put(Buffer.alloc(damaged.length));
    expect(await blocks.here(undefined)).toEqual(sound);
    utimesSync(parts(), time, new Date('2026-01-02'));
    expect((await blocks.here(undefined)).size).toBe(0);
  });
});

describe('servers', () => {
  it.each(['ignored', 'other', 'refused'] as const)('whose ranges are %s give the whole file', async (ranges) => {
    here.hub.publish(NAME, model);
    here.hub.ranges = ranges;
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(statSync(cache('blobs', ID)).size).toBe(weights.length);
    expect(existsSync(parts())).toBe(false);
  });

  it('that give ranges no longer: the whole file', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    here.hub.ranges = 'ignored';
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(existsSync(parts())).toBe(false);
    expect(sha256(readFileSync(cache('blobs', ID)))).toBe(ID);
  });

  it('that give less of a range than was asked for are asked for the rest', async () => {
    here.hub.publish(NAME, model);
    here.hub.intercept = ({ at, range }, response) => {
      if (at !== 'files') return false;
      const [from, to] = /^bytes=(\d+)-(\d+)$/.exec(range!)!.slice(1).map(Number) as [number, number];
      const body = weights.subarray(from, Math.min(to + 1, from + BLOCK / 2));
      response.writeHead(206, { 'content-range': `bytes ${from}-${from + body.length - 1}/${weights.length}` }).end(body); // biome-ignore format: one line
      return true;
    };
    expect(await embedding()).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });

  it('two loads at once ask for each block once', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 50_000, ms: 10 };
    const [one, two] = await Promise.all([embedding(), embedding()]);
    expect(one).toEqual(two);
    const starts = asked().filter((range) => !range!.startsWith('bytes=0-'));
    expect(new Set(starts).size).toBe(starts.length);
  });
});

describe('both towers by loads of their own at the same time', () => {
  it('leave the whole file', async () => {
    here.hub.publish(NAME, model);
    expect(await Promise.all([embedding(), textEmbedding()])).toEqual([await golden(), await goldenText()]);
    expect(statSync(cache('blobs', ID)).size).toBe(weights.length);
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
    expect(await textEmbedding({ localFilesOnly: true })).toEqual(await goldenText());
  });
});

describe('damage', () => {
  it('in the cache is found when the file is newer than its list, and the blocks come again', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    const bytes = readFileSync(parts());
    writeFileSync(parts(), bytes.fill(0, image.start + (image.end - image.start) / 2));
    expect((await rejection(embedding(NAME, { localFilesOnly: true }))).message).toContain(
      `of ${WEIGHTS} the cache has a part`,
    );
    expect(await embedding()).toEqual(await golden());
    writeFileSync(parts(), bytes.subarray(0, 1000));
    expect(await embedding()).toEqual(await golden());
  });

  it('is found again by the load after one that ended among the blocks that come anew', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    writeFileSync(parts(), readFileSync(parts()).fill(0, image.start, image.end));
    let requests = 0;
    here.hub.cuts = [2 * BLOCK + 777];
    here.hub.intercept = ({ at }, response) => {
      if (at !== 'files' || requests++ === 0) return false;
      response.writeHead(403).end();
      return true;
    };
    expect((await rejection(embedding())).message).toContain('status 403');
    here.hub.intercept = undefined;
    expect(await embedding()).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });

  it.each([
    ['another file of the same size', (bytes: Buffer) => bytes.fill(1, image.start, image.end)],
    ['what was there before', (bytes: Buffer) => bytes.fill(0)],
  ])('is found where %s was put in the place, with its older time', async (_, change) => {
    here.hub.publish(NAME, model);
    await embedding();
    const other = change(readFileSync(parts()));
    const old = new Date(Date.now() - 86_400_000);
    const put = () => {
      writeFileSync(parts(), other);
      utimesSync(parts(), old, old);
    };
    put();
    expect(await embedding()).toEqual(await golden());
    put();
    await here.hub.stop();
    const { message } = await rejection(embedding());
    expect(message).toContain(`of ${WEIGHTS} the cache has a part`);
    expect(message, 'says why only that').toMatch(/only the cache was looked at, .* cannot be reached/);
  });

  it('that only the time of the file tells of: blocks are checked once, and are sound', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    const requests = asked().length;
    const old = new Date(Date.now() - 86_400_000);
    utimesSync(parts(), old, old);
    expect(await embedding()).toEqual(await golden());
    expect(asked()).toHaveLength(requests);
    expect(readFileSync(list(), 'utf8').trimEnd().split(' ').at(-1)).toBe(String(statSync(parts()).mtimeMs));
  });

  it('of every block, the list of tensors too: all come again in the same load', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    writeFileSync(parts(), readFileSync(parts()).fill(0));
    expect(await embedding()).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });

  it.each(['', '{}', '{"commit":"'])(
    'of the kept listing (%j): it is made again by the next load with the hub',
    async (text) => {
      const commit = here.hub.publish(NAME, model);
      await embedding();
      writeFileSync(cache('.edgeclip', `${commit}.json`), text);
      expect(await embedding()).toEqual(await golden());
      expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
    },
  );

  it('that is another file of the same size under the name is refused by the checksum that the hub tells', async () => {
    const commit = here.hub.publish(NAME, model);
    const { 'open_clip_config.json': config } = model;
    const other = Buffer.from(weights).fill(1, image.start, image.end);
    here.hub.publish(NAME, { 'open_clip_config.json': config!, [WEIGHTS]: other }, 'other');
    here.hub.intercept = ({ at, path }, response) => {
      if (at !== 'hub' || path !== `/${NAME}/resolve/${commit}/${WEIGHTS}`) return false;
      response.setHeader('X-Linked-Etag', `"${sha256(other)}"`);
      response.writeHead(302, { location: `${here.hub.filesAddress}/${sha256(other)}` }).end();
      return true;
    };
    const { message } = await rejection(embedding());
    expect(message).toContain(
      `the hub gives another file as ${WEIGHTS}: its checksum is ${sha256(other)}, expected ${ID}`,
    );
    here.hub.intercept = undefined;
    expect(await embedding()).toEqual(await golden());
  });

  it('on its way shows when the file is whole: then nothing of it is kept', async () => {
    here.hub.publish(NAME, model);
    here.hub.flip = image.end - 1;
    await embedding(); // one bit: nothing tells it yet
    const { message } = await rejection(textEmbedding());
    expect(message).toContain(`${WEIGHTS} was damaged on its way: its SHA-256 is`);
    expect(existsSync(parts())).toBe(false);
    expect(readdirSync(cache('blobs'))).not.toContain(ID);
    here.hub.flip = undefined;
    expect(await textEmbedding()).toEqual(await goldenText());
  });

  it('that came with the parts only: the file is fetched anew', async () => {
    here.hub.publish(NAME, model);
    here.hub.flip = image.end - 1;
    await embedding();
    here.hub.flip = undefined;
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });
});
