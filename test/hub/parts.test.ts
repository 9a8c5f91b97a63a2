/** One tower of a large checkpoint: only its parts are fetched; they are kept, continued, checked and completed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportModel } from '../../src/cli/model-report.ts';
import { BlockList, PARTS } from '../../src/hub/block-list.ts';
import { TowerParts } from '../../src/hub/tower-parts.ts';
import { loadClip } from '../../src/load.ts';
import { openModel } from '../../src/open-model.ts';
import { readTensorFile } from '../../src/weights/headers.ts';
import { readSafetensorsHeader, writeSafetensors } from '../../src/weights/safetensors.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { firstElement } from '../../src/weights/tensor-file.ts';
import { readCheckpoint, rejection } from '../api/checkpoint.ts';
import { goldenPath, readGolden } from '../model/golden.ts';
import { oldTorchFile, push, stateDict, torchFile } from '../weights/torch-writer.ts';
import { sha256 } from './fake-hub.ts';
import { cache, embedding, golden, here, model, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

const BLOCK = 64 << 10;
const { ...usual } = PARTS;
beforeAll(() => void Object.assign(PARTS, { block: BLOCK, least: 4 * BLOCK }));
afterAll(() => void Object.assign(PARTS, usual));
useFakeHub();

const ID = sha256(weights);
const parts = (id = ID) => cache('.edgeclip', `${id}.parts`);
const list = (id = ID) => cache('.edgeclip', `${id}.blocks`);

/** Where the image tower's tensors lie, next to each other. */
const header = await readSafetensorsHeader(bytesSource(weights, WEIGHTS));
const visual = [...header.tensors.values()].filter(({ name }) => name.startsWith('visual.'));
const image = { start: visual[0]!.offset, end: visual.at(-1)!.offset + visual.at(-1)!.byteLength };

/** Ranges of the file that were asked for, and the bytes in them; the look at its list of tensors comes first. */
const asked = (id = ID) =>
  here.hub.asked.filter(({ at, path }) => at === 'files' && path === `/${id}`).map(({ range }) => range);
const rangesAsked = (id = ID) =>
  asked(id).map((range) => /^bytes=(\d+)-(\d+)$/.exec(range!)!.slice(1).map(Number) as [number, number]);
const bytesAsked = () => rangesAsked().slice(1).reduce((sum, [from, to]) => sum + to - from + 1, 0); // biome-ignore format: one line

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
    expect((await rejection(embedding(NAME, { localFilesOnly: true }))).message).toContain(`of ${WEIGHTS} the cache has a part`); // biome-ignore format: one line
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
  it('goes on where it broke, in the same load and in the next', async () => {
    here.hub.publish(NAME, model);
    await embedding();
    const whole = asked();
    rmSync(cache('.edgeclip'), { recursive: true });
    here.hub.asked.length = 0;
    // The first answer is the list of tensors, which comes again.
    here.hub.cuts = [100, 1e9, 3 * BLOCK + 777];
    expect(await embedding()).toEqual(await golden());
    expect(asked()).toHaveLength(whole.length + 2);
    const [from, next] = asked()
      .slice(2, 4)
      .map((range) => Number(/=(\d+)-/.exec(range!)![1]));
    expect(next! - from!).toBeGreaterThanOrEqual(3 * BLOCK);
    expect(next! - from!).toBeLessThanOrEqual(3 * BLOCK + 777);
  });

  it('within each block: what came of it counts, and it goes on from there', async () => {
    here.hub.publish(NAME, model);
    here.hub.cuts = [1e9, ...Array(50).fill(BLOCK / 2)];
    expect(await embedding()).toEqual(await golden());
    expect(here.hub.cuts.length).toBeLessThan(40);
    const starts = rangesAsked().slice(1).map(([from]) => from); // biome-ignore format: one line
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
    here.hub.cuts = [];
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(sha256(readFileSync(cache('blobs', ID)))).toBe(ID);
  });

  /** The list's lines so far: which block, and how much of it is here. */
  const noted = () =>
    (existsSync(list()) ? readFileSync(list(), 'utf8') : '')
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' ').map(Number) as [block: number, bytes: number]);
  const whole = () => noted().filter(([, bytes]) => bytes === BLOCK);

  /** Kills the process of a load as soon as so many are there of what is noted. */
  async function killed(count: () => number, least: number, ...args: string[]): Promise<void> {
    const script = fileURLToPath(new URL('load-in-parts.ts', import.meta.url));
    const child = spawn(process.execPath, ['--conditions=edgeclip-source', '--import', 'tsx', script, NAME, String(BLOCK), ...args], { stdio: 'ignore' }); // biome-ignore format: one line
    const ended = once(child, 'exit');
    await expect.poll(count).toBeGreaterThanOrEqual(least);
    child.kill('SIGKILL');
    await ended;
    here.hub.slow = undefined;
    here.hub.asked.length = 0;
  }

  it('by the end of its process: what came is kept, and its lock is not waited for', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 20_000, ms: 60 };
    await killed(() => whole().length, 4);
    const kept = whole().length;
    expect(await embedding()).toEqual(await golden());
    const came = rangesAsked().reduce((sum, [from, to]) => sum + to - from + 1, 0);
    expect(came).toBeLessThanOrEqual((new Set(noted().map(([block]) => block)).size - kept) * BLOCK);
  });

  it('within a block by the end of its process: what was noted of it by then is kept', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 3000, ms: 20 };
    const ofImage = () => noted().filter(([block]) => block * BLOCK >= image.start);
    await killed(() => ofImage().length, 4, '0');
    const [block, bytes] = noted().at(-1)!;
    expect(await embedding()).toEqual(await golden());
    expect(rangesAsked()[0]![0]).toBe(block * BLOCK + bytes);
  });

  /** The server refuses all that is asked for after the list of tensors and so many bytes of what follows. */
  function refuseAfter(bytes: number): void {
    let requests = 0;
    here.hub.cuts = [1e9, bytes];
    here.hub.intercept = ({ at }, response) => at === 'files' && requests++ > 1 && !!response.writeHead(403).end();
  }

  it('within a block by an error: the next load goes on at that byte', async () => {
    here.hub.publish(NAME, model);
    refuseAfter(2 * BLOCK + 777);
    expect((await rejection(embedding())).message).toContain('status 403');
    const [from] = rangesAsked()[1]!;
    here.hub.intercept = undefined;
    here.hub.asked.length = 0;
    expect(await embedding()).toEqual(await golden());
    const [next] = rangesAsked()[0]!;
    expect(next).toBeGreaterThan(from + 2 * BLOCK);
    expect(next).toBeLessThanOrEqual(from + 2 * BLOCK + 777);
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(sha256(readFileSync(cache('blobs', ID)))).toBe(ID);
  });

  it('within a block, which is damaged since: it comes again from its beginning', async () => {
    here.hub.publish(NAME, model);
    refuseAfter(BLOCK / 2);
    await rejection(embedding());
    const [from] = rangesAsked()[1]!;
    writeFileSync(parts(), readFileSync(parts()).fill(0, from, from + BLOCK));
    here.hub.intercept = undefined;
    here.hub.asked.length = 0;
    expect(await embedding()).toEqual(await golden());
    expect(rangesAsked()[0]![0]).toBe(from);
  });
});

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
      expect(image).toMatchObject({ file: `${ID}.parts`, stored: ['F32'] });
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

  it('makes its parts needless: they go away, unless another load is at them', async () => {
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
    const { name, size, id } = { name: WEIGHTS, size: weights.length, id: ID };
    const places = {
      path: cache('.edgeclip', ID),
      lock: cache('blobs', `${ID}.edgeclip.lock`),
      blob: cache('blobs', ID),
    };
    const access = { endpoint: here.hub.address, token: undefined, offline: false, fetch, signal: undefined, onProgress: undefined }; // biome-ignore format: one line
    const file = {
      model: NAME,
      name,
      url: `${here.hub.address}/${NAME}/resolve/${commit}/${WEIGHTS}`,
      size,
      id,
      note: '',
    };
    const reader = await new TowerParts(access, { ...file, ...places }).source(new Set());
    fetched(commit);
    await embedding();
    expect(existsSync(parts())).toBe(false);
    const all = new Uint8Array(size);
    await reader.readInto(0, all);
    await reader.close!();
    expect(sha256(all)).toBe(ID);
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

describe("PyTorch's files", () => {
  const BIN = 'open_clip_pytorch_model.bin';
  const { tensors } = readCheckpoint(weights);
  const storages = tensors.map(({ data }) => data);
  const plain = torchFile(stateDict(tensors), storages);
  const old = oldTorchFile(tensors);
  /** The model between the optimizer's two moments. */
  const moment = { name: 'all', dtype: 'F32', shape: [1 << 20], data: new Uint8Array(4 << 20).fill(0xff) };
  const training = torchFile(
    push.dict([
      ['epoch', push.int(3)],
      ['optimizer', push.dict([['exp_avg', stateDict([moment])], ['exp_avg_sq', stateDict([moment], '', tensors.length + 1)]])],
      ['state_dict', stateDict(tensors, 'module.', 1)],
    ]),
    [moment.data, ...storages, moment.data],
  ); // biome-ignore format: one line

  function publish(bytes: Uint8Array): string {
    here.hub.publish(NAME, { 'open_clip_config.json': model['open_clip_config.json']!, [BIN]: bytes });
    return sha256(bytes);
  }

  /** The share of the bytes that were asked for, of the image tower, of the text tower, and of what else is in the file. */
  async function shares(bytes: Uint8Array) {
    const came = new Uint8Array(bytes.length);
    for (const [from, to] of rangesAsked(sha256(bytes))) came.fill(1, from, to + 1);
    const { tensors } = await readTensorFile(bytesSource(bytes));
    const count = { image: [0, 0], text: [0, 0], rest: [came.reduce((a, b) => a + b, 0), bytes.length] };
    for (const tensor of tensors.values()) {
      const start = await firstElement(tensor);
      const part = came.subarray(start, start + tensor.byteLength).reduce((a, b) => a + b, 0);
      const kind = tensor.name.replace('module.', '').startsWith('visual.') ? 'image' : 'text';
      for (const [i, of] of [part, tensor.byteLength].entries()) {
        count[kind][i]! += of;
        count.rest[i]! -= of;
      }
    }
    return Object.fromEntries(Object.entries(count).map(([kind, [part, all]]) => [kind, part! / all!]));
  }

  it.each([
    ['the zip of torch.save', plain],
    ['its older form', old],
  ])('%s: one tower comes alone, then the rest, and the file is whole and checked', async (_, bytes) => {
    const id = publish(bytes);
    expect(await textEmbedding()).toEqual(await goldenText());
    const { image, text } = await shares(bytes);
    expect(text).toBe(1);
    expect(image).toBeLessThan(0.4);
    expect(existsSync(cache('blobs', id))).toBe(false);
    const requests = asked(id).length;
    expect(await textEmbedding({ localFilesOnly: true })).toEqual(await goldenText());
    expect(asked(id)).toHaveLength(requests);
    expect(await embedding()).toEqual(await golden());
    expect(sha256(readFileSync(cache('blobs', id)))).toBe(id);
    expect(existsSync(parts(id))).toBe(false);
    expect(await textEmbedding({ localFilesOnly: true })).toEqual(await goldenText());
  });

  it('of training: the optimizer never comes, for one tower, the other, or both', async () => {
    const id = publish(training);
    expect(await embedding()).toEqual(await golden());
    const first = await shares(training);
    expect(first.image).toBe(1);
    expect(first.text).toBeLessThan(0.4);
    expect(await textEmbedding()).toEqual(await goldenText());
    const { hub } = here;
    const requests = asked(id).length;
    (await loadClip(NAME)).dispose();
    expect(
      hub.asked.filter(({ path }) => path === `/${id}`),
      'both are here',
    ).toHaveLength(requests);
    await hub.stop();
    (await loadClip(NAME)).dispose();
    const { image, text, rest } = await shares(training);
    expect([image, text]).toEqual([1, 1]);
    expect(rest).toBeLessThan(0.12);
    expect(existsSync(cache('blobs', id))).toBe(false);
  });

  it('of training: a damaged tower is found after the other came, too', async () => {
    const id = publish(training);
    await embedding();
    writeFileSync(parts(id), readFileSync(parts(id)).fill(0, 5 << 20));
    expect(await textEmbedding()).toEqual(await goldenText());
    expect(await embedding()).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });

  it('of training, both towers at once', async () => {
    publish(training);
    (await loadClip(NAME)).dispose();
    const { image, text, rest } = await shares(training);
    expect([image, text]).toEqual([1, 1]);
    expect(rest).toBeLessThan(0.12);
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
  });

  it('go on at the block where they broke, and from a server without ranges come whole', async () => {
    const id = publish(training);
    here.hub.cuts = [1e9, 1e9, 1e9, 1e9, 3 * BLOCK + 777];
    expect(await embedding()).toEqual(await golden());
    expect(here.hub.cuts).toEqual([]);
    rmSync(cache('.edgeclip'), { recursive: true });
    here.hub.ranges = 'ignored';
    expect(await embedding()).toEqual(await golden());
    expect(sha256(readFileSync(cache('blobs', id)))).toBe(id);
  });
});
