/** One tower of a large checkpoint: only its parts are fetched; they are kept, continued, checked and completed. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PARTS } from '../../src/hub/tower-parts.ts';
import { loadClip } from '../../src/load.ts';
import { readSafetensorsHeader, writeSafetensors } from '../../src/weights/safetensors.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { rejection } from '../api/checkpoint.ts';
import { goldenPath, readGolden } from '../model/golden.ts';
import { sha256 } from './fake-hub.ts';
import { cache, embedding, golden, here, model, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

const BLOCK = 64 << 10;
const { ...usual } = PARTS;
beforeAll(() => void Object.assign(PARTS, { block: BLOCK, least: 4 * BLOCK }));
afterAll(() => void Object.assign(PARTS, usual));
useFakeHub();

const ID = sha256(weights);
const parts = (tower = 'image') => cache('.edgeclip', `${ID}.${tower}.parts`);
const list = (tower = 'image') => cache('.edgeclip', `${ID}.${tower}.blocks`);

/** Where the image tower's tensors lie, next to each other. */
const header = await readSafetensorsHeader(bytesSource(weights, WEIGHTS));
const visual = [...header.tensors.values()].filter(({ name }) => name.startsWith('visual.'));
const image = { start: visual[0]!.offset, end: visual.at(-1)!.offset + visual.at(-1)!.byteLength };

/** Ranges of the file that were asked for, and the bytes in them; the look at its list of tensors comes first. */
const asked = () =>
  here.hub.asked.filter(({ at, path }) => at === 'files' && path === `/${ID}`).map(({ range }) => range);
function bytesAsked(): number {
  return asked()
    .slice(1)
    .map((range) => /^bytes=(\d+)-(\d+)$/.exec(range!)!)
    .reduce((sum, [, from, to]) => sum + Number(to) - Number(from) + 1, 0);
}

async function textEmbedding(options: object = {}): Promise<Float32Array> {
  const { token_ids: ids } = readGolden('tiny-vit/expected.json');
  using clip = await loadClip(NAME, { towers: ['text'], ...options });
  return (await clip.encodeTokens(ids))[0]!;
}

async function goldenText(): Promise<Float32Array> {
  const { token_ids: ids } = readGolden('tiny-vit/expected.json');
  using clip = await loadClip(goldenPath('tiny-vit'), { towers: ['text'] });
  return (await clip.encodeTokens(ids))[0]!;
}

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
    expect((await rejection(embedding(NAME, { localFilesOnly: true }))).message).toContain(`${WEIGHTS} is not in the cache`); // biome-ignore format: one line
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

describe('interrupted', () => {
  it('goes on at the block where it broke, in the same load and in the next', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    const whole = asked();
    rmSync(cache('.edgeclip'), { recursive: true });
    here.hub.asked.length = 0;
    // The first answer is the list of tensors, which comes again.
    here.hub.cuts = [100, 1e9, 3 * BLOCK + 777];
    expect(await embedding()).toEqual(await golden());
    expect(asked()).toHaveLength(whole.length + 2);
    const [, from] = /=(\d+)-/.exec(asked()[2]!)!;
    expect(asked()[3]).toMatch(new RegExp(`^bytes=${Number(from) + 3 * BLOCK}-`));
  });

  it('by the end of its process: what came is kept, and its lock is not waited for', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 20_000, ms: 20 };
    const script = fileURLToPath(new URL('load-in-parts.ts', import.meta.url));
    const child = spawn(process.execPath, ['--conditions=edgeclip-source', '--import', 'tsx', script, NAME, String(BLOCK)], { stdio: 'ignore' }); // biome-ignore format: one line
    const lines = () => (existsSync(list()) ? readFileSync(list(), 'utf8').split('\n').length - 1 : 0);
    while (lines() < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    here.hub.slow = undefined;
    here.hub.asked.length = 0;
    const kept = lines();
    expect(await embedding()).toEqual(await golden());
    const came = asked().map((range) => /^bytes=(\d+)-(\d+)$/.exec(range!)!).reduce((sum, [, a, b]) => sum + Number(b) + 1 - Number(a), 0); // biome-ignore format: one line
    expect(came).toBeLessThanOrEqual(statBlocks() * BLOCK - kept * BLOCK);
  });

  const statBlocks = () => readFileSync(list(), 'utf8').trim().split('\n').length;
});

describe('servers', () => {
  it.each(['ignored', 'other', 'refused'] as const)('whose ranges are %s give the whole file', async (ranges) => {
    here.hub.publish(NAME, model);
    here.hub.ranges = ranges;
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(statSync(cache('blobs', ID)).size).toBe(weights.length);
    expect(existsSync(parts('text'))).toBe(false);
  });

  it('that give ranges no longer: the whole file', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    here.hub.ranges = 'ignored';
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(existsSync(parts())).toBe(false);
    expect(sha256(readFileSync(cache('blobs', ID)))).toBe(ID);
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
      `${WEIGHTS} is not in the cache as far as it is needed`,
    );
    expect(await embedding()).toEqual(await golden());
    writeFileSync(parts(), bytes.subarray(0, 1000));
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
