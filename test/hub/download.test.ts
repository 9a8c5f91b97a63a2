/** Models by name from a fake hub: what is fetched, how downloads go on after a cut, and what is refused. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import type { LoadOptions } from '../../src/load-options.ts';
import { openModel } from '../../src/open-model.ts';
import type { LoadProgress } from '../../src/weights/load-progress.ts';
import { readCheckpoint, readFolder, rejection, writeCheckpoint } from '../api/checkpoint.ts';
import { Random } from '../kernels/random.ts';
import { goldenPath } from '../model/golden.ts';
import { type Asked, sha256 } from './fake-hub.ts';
import { cache, embedding, golden, here, model, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

useFakeHub();

describe('a model by its name', () => {
  it('is fetched: configuration and weights, nothing else, and only once', async () => {
    here.hub.publish(NAME, { ...model, 'README.md': '# x', 'pytorch_model.bin': 'x', 'onnx/model.safetensors': 'x' });
    const expected = await golden();
    expect(await embedding()).toEqual(expected);
    expect(here.hub.fetched()).toEqual(['open_clip_config.json', WEIGHTS]);
    expect(await embedding(` ${NAME}\n`)).toEqual(expected);
    expect(here.hub.fetched()).toHaveLength(2);
  });

  it.each([
    `hf:${NAME}`,
    `hf-hub:${NAME}`,
    `hf://${NAME}@main`,
    `https://huggingface.co/${NAME}`,
    `https://huggingface.co/${NAME}/tree/main`,
  ])('as %s', async (name) => {
    here.hub.publish(NAME, model);
    expect(await embedding(name)).toEqual(await golden());
  });

  it('has the name in info(), and reports each file that is fetched', async () => {
    here.hub.publish(NAME, model);
    const seen = new Map<string, [number, number]>();
    using clip = await loadClip(NAME, { onProgress: ({ file, loaded, total }) => file && seen.set(file, [loaded, total]) }); // biome-ignore format: one line
    expect(clip.info().model).toBe(NAME);
    expect(seen.get(WEIGHTS)).toEqual([weights.length, weights.length]);
  });

  it('at a revision: of the name, or of the options', async () => {
    const commit = here.hub.publish(NAME, model, 'v1.0');
    here.hub.publish(NAME, { 'config.json': '{}' });
    const expected = await golden();
    expect(await embedding(`${NAME}@v1.0`)).toEqual(expected);
    expect(await embedding(NAME, { revision: 'v1.0' })).toEqual(expected);
    const asked = here.hub.asked.length;
    expect(await embedding(`${NAME}@${commit}`)).toEqual(expected);
    expect(here.hub.asked.length, 'a commit never changes: the hub is not asked').toBe(asked);
    expect(readFileSync(cache('refs', 'v1.0'), 'utf8')).toBe(commit);
    await expect(embedding(`${NAME}@v1.0`, { revision: 'v2' })).rejects.toThrow(TypeError);
    expect((await rejection(embedding(`${NAME}@v3`))).message).toContain(`the hub has no revision "v3" of "${NAME}"`);
  });

  it('keeps the token with the hub', async () => {
    here.hub.publish(NAME, model);
    here.hub.token = 'hf_secret';
    expect(await embedding(NAME, { accessToken: 'hf_secret' })).toEqual(await golden());
    const tokens = (at: Asked['at']) => here.hub.asked.filter((one) => one.at === at).map((one) => one.authorization);
    expect(new Set(tokens('hub'))).toEqual(new Set(['Bearer hf_secret']));
    expect(new Set(tokens('files'))).toEqual(new Set([undefined]));
  });

  it('takes the token from HF_TOKEN, else from the file that hf auth login writes, unless the option or a variable says otherwise', async () => {
    here.hub.publish(NAME, model);
    here.hub.token = 'hf_secret';
    let times = 0;
    const isShown = (options: LoadOptions = {}) =>
      embedding(NAME, { cacheDir: join(here.top, `cache ${times++}`), ...options }).then(() => true, () => false); // biome-ignore format: one line
    expect(await isShown()).toBe(false);
    process.env.HF_TOKEN = 'hf_secret';
    expect(await isShown()).toBe(true);
    expect(await isShown({ accessToken: 'hf_other' }), 'the option wins').toBe(false);
    process.env.HF_TOKEN = '';
    mkdirSync(join(here.top, 'home'), { recursive: true });
    writeFileSync(join(here.top, 'home', 'token'), 'hf_secret\n');
    expect(await isShown(), 'HF_HOME/token').toBe(true);
    process.env.HF_TOKEN = 'hf_other';
    expect(await isShown(), 'the variable wins').toBe(false);
    delete process.env.HF_TOKEN;
    process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN = '1';
    expect(await isShown()).toBe(false);
    delete process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN;
    renameSync(join(here.top, 'home', 'token'), join(here.top, 'elsewhere'));
    expect(await isShown()).toBe(false);
    process.env.HF_TOKEN_PATH = join(here.top, 'elsewhere');
    expect(await isShown()).toBe(true);
  });

  it('an HF_ENDPOINT that is not an address is refused by its name', async () => {
    process.env.HF_ENDPOINT = 'mirror';
    expect(await rejection(embedding())).toMatchObject({
      code: 'CONFIG',
      message: 'HF_ENDPOINT must be the address of a hub, as https://huggingface.co, got "mirror"',
    });
  });

  it('fetches only the shards of the tower that is asked for', async () => {
    const { 'model.safetensors': whole, ...rest } = readFolder('tiny-vit-hf');
    const { tensors } = readCheckpoint(whole!);
    const text = tensors.filter(({ name }) => /^text_/.test(name));
    const image = tensors.filter(({ name }) => !/^text_/.test(name));
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const map = [...image.map(({ name }) => [name, names[0]!]), ...text.map(({ name }) => [name, names[1]!])];
    here.hub.publish(NAME, {
      ...rest,
      [names[0]!]: writeCheckpoint({ tensors: image, metadata: {} }),
      [names[1]!]: writeCheckpoint({ tensors: text, metadata: {} }),
      'model.safetensors.index.json': JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) }),
    });
    expect(await embedding()).toEqual(await embedding(goldenPath('tiny-vit-hf')));
    expect(here.hub.fetched().filter((name) => name.endsWith('.safetensors'))).toEqual([names[0]]);
  });
});

describe('a download that breaks off', () => {
  const random = new Random(17);
  const cuts = [1, 2, 3].map(() => random.integer(1, weights.length - 1));

  it.each(['given', 'ignored', 'other', 'refused'] as const)('goes on, ranges %s', async (ranges) => {
    here.hub.publish(NAME, model);
    here.hub.ranges = ranges;
    here.hub.cuts = [cuts[0]!, 1000];
    expect(await embedding()).toEqual(await golden());
    const starts = here.hub.asked.filter(({ at }) => at === 'files').map(({ range }) => range);
    expect(starts.slice(0, 2)).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)]);
    expect(readdirSync(cache('blobs')).filter((name) => !/^[0-9a-f]+$/.test(name))).toEqual([]);
  });

  it('gives up after some attempts without a byte, and the next load goes on where it ended', async () => {
    here.hub.publish(NAME, model);
    here.hub.cuts = [cuts[1]!, 0, 0, 0, 0, 0];
    const error = await rejection(embedding());
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    const length = statSync(cache('blobs', `${sha256(weights)}.edgeclip.incomplete`)).size;
    expect(length).toBeGreaterThan(0);
    expect(error.message).toContain(`broke off at ${length} of ${weights.length} bytes`);
    here.hub.cuts = [];
    here.hub.asked.length = 0;
    expect(await embedding()).toEqual(await golden());
    expect(here.hub.asked.find(({ at }) => at === 'files')!.range).toBe(`bytes=${length}-`);
  });

  it('by the signal: its reason comes, and the partial file stays', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 4096, ms: 5 };
    const stop = new AbortController();
    const reason = new Error('enough');
    const loading = embedding(NAME, { signal: stop.signal, onProgress: ({ file }) => file === WEIGHTS && stop.abort(reason) }); // biome-ignore format: one line
    expect(await rejection(loading)).toBe(reason);
    here.hub.slow = undefined;
    expect(await embedding()).toEqual(await golden());
    expect(here.hub.asked.findLast(({ at }) => at === 'files')!.range).toMatch(/^bytes=\d+-$/);
  });

  it('whose beginning is damaged is fetched anew', async () => {
    here.hub.publish(NAME, model);
    here.hub.cuts = [cuts[2]!, 0, 0, 0, 0];
    await rejection(embedding());
    here.hub.cuts = [];
    writeFileSync(cache('blobs', `${sha256(weights)}.edgeclip.incomplete`), random.bytes(cuts[2]!));
    expect(await embedding()).toEqual(await golden());
  });
});

describe.each(['bodies', 'file'] as const)('compressed on its way (%s), though nobody asked for it', (gzip) => {
  it('is what the hub announced: size, checksum and progress are of the file', async () => {
    here.hub.publish(NAME, model);
    here.hub.gzip = gzip;
    const seen: number[] = [];
    const onProgress = ({ file, loaded, total }: Parameters<LoadProgress>[0]) => {
      if (file !== WEIGHTS) return;
      seen.push(loaded);
      expect(total).toBe(weights.length);
    };
    expect(await embedding(NAME, { onProgress })).toEqual(await golden());
    expect(seen.at(-1)).toBe(weights.length);
    expect(sha256(readFileSync(cache('blobs', sha256(weights))))).toBe(sha256(weights));
  });

  it('goes on after a cut: a range of what is compressed is none of the file', async () => {
    here.hub.publish(NAME, model);
    here.hub.gzip = gzip;
    here.hub.cuts = [new Random(8).integer(100_000, weights.length >> 1)];
    expect(await embedding()).toEqual(await golden());
    const starts = here.hub.asked.filter(({ at }) => at === 'files').map(({ range }) => range);
    expect(starts).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/), undefined]);
  });

  it('and damaged: refused, and gone', async () => {
    here.hub.publish(NAME, model);
    here.hub.gzip = gzip;
    here.hub.flip = 1000;
    expect((await rejection(embedding())).message).toContain('was damaged on its way: its SHA-256 is');
    expect(readdirSync(cache('blobs')).filter((name) => name.startsWith(sha256(weights)))).toEqual([]);
  });

  it('a look at the headers fetches the whole file then', async () => {
    here.hub.publish(NAME, model);
    here.hub.gzip = gzip;
    const source = (await (await openModel(NAME, { inParts: true })).source(WEIGHTS))!;
    const head = new Uint8Array(8);
    await source.readInto(0, head);
    await source.close?.();
    expect(head).toEqual(new Uint8Array(weights.subarray(0, 8)));
    expect(sha256(readFileSync(cache('blobs', sha256(weights))))).toBe(sha256(weights));
  });
});

describe('what comes', () => {
  it('with other bytes than announced is refused and goes away', async () => {
    here.hub.publish(NAME, model);
    const bad = weights.slice().fill(0, weights.length / 2);
    here.hub.intercept = ({ at }, response) => at === 'files' && !!response.end(bad);
    const error = await rejection(embedding());
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(error.message).toContain(`its SHA-256 is ${sha256(bad)}, expected ${sha256(weights)}`);
    expect(readdirSync(cache('blobs')).filter((name) => name.startsWith(sha256(weights)))).toEqual([]);
    here.hub.intercept = undefined;
    expect(await embedding()).toEqual(await golden());
  });

  it('longer than announced is refused and goes away', async () => {
    here.hub.publish(NAME, model);
    here.hub.intercept = ({ at }, response) => at === 'files' && !!response.end(Buffer.concat([weights, weights]));
    expect((await rejection(embedding())).message).toContain(`more than ${weights.length} bytes came`);
    expect(readdirSync(cache('blobs')).filter((name) => name.startsWith(sha256(weights)))).toEqual([]);
  });

  it.each(['open_clip_config.json', WEIGHTS, 'listing'])(
    'R28 a: a web page with status 200 instead of the %s: is said and not kept',
    async (what) => {
      here.hub.publish(NAME, model);
      const page = '<!DOCTYPE html>\n<html><body>Welcome to the airport</body></html>';
      const hit = ({ at, path }: Asked) =>
        what === 'listing' ? path.includes('/revision/') : what === WEIGHTS ? at === 'files' : path.includes(what);
      here.hub.intercept = (asked, response) =>
        hit(asked) && !!response.setHeader('content-type', 'text/html').end(page);
      const error = await rejection(embedding());
      expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
      expect(error.message).toContain('a web page came');
      here.hub.intercept = undefined;
      expect(await embedding()).toEqual(await golden());
    },
  );
});

describe('a status', () => {
  it.each<[number, Record<string, string>, string]>([
    [
      401,
      {},
      `the hub shows no model "${NAME}": check the name; if it is private, give a token: accessToken, or HF_TOKEN`,
    ],
    [403, { 'x-error-code': 'GatedRepo' }, `"${NAME}" is gated: accept its terms at `],
    [403, {}, `the hub forbids reading "${NAME}": give a token`],
    [404, {}, `the hub has no model "${NAME}"`],
    [429, { 'retry-after': '7200' }, 'the hub limits how often it is asked: try again in 7200 seconds'],
    [500, {}, 'the hub is out of order, try again later'],
    [418, {}, `cannot get "${NAME}" (127.0.0.1`],
  ])('%i %j says what to do', async (status, headers, message) => {
    here.hub.intercept = (_, response) => !!response.writeHead(status, headers).end('no');
    const error = await rejection(embedding());
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(error.message).toContain(message);
    expect(error.message).toContain(`status ${status}`);
    expect(here.hub.asked.length).toBe(status === 500 ? 4 : 1);
  });

  it.each([429, 500, 502, 503, 504, 408])('%i passes: it is asked again', async (status) => {
    here.hub.publish(NAME, model);
    const left = new Map([
      ['hub', 1],
      ['files', 1],
    ]);
    here.hub.intercept = ({ at }, response) => {
      const times = left.get(at)!;
      left.set(at, times - 1);
      return times > 0 && !!response.writeHead(status, { 'retry-after': '0' }).end();
    };
    expect(await embedding()).toEqual(await golden());
  });

  it('nobody there: the host and the reason', async () => {
    await here.hub.stop();
    const { message } = await rejection(embedding());
    expect(message).toMatch(/^cannot get "someone\/tiny-vit": 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
  });

  it('of a name that is not a folder either says both', async () => {
    expect((await rejection(embedding('models/clip'))).message).toMatch(/^there is no folder "models\/clip", and the hub shows no model "models\/clip"/); // biome-ignore format: one line
    expect(existsSync(join(here.top, 'home', 'hub'))).toBe(false);
  });
});
