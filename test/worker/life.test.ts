/** A worker's life: the caller's event loop, his buffers and signals, streams without end, disposal, and a sudden death. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { loadClip as loadHere } from '../../src/load.ts';
import type { LoadProgress } from '../../src/weights/load-progress.ts';
import { loadClip } from '../../src/worker/load.ts';
import { rejection } from '../api/checkpoint.ts';
import { photo } from '../api/pictures.ts';
import { goldenPath } from '../model/golden.ts';
import { watched } from './worker.ts';

const raw = { data: new Uint8Array(300 * 300 * 3).map((_, i) => i % 251), width: 300, height: 300 };
const tiny = goldenPath('tiny-vit');
const disposed = expect.objectContaining({ name: 'ClipError', code: 'DISPOSED' });
const died = expect.objectContaining({ name: 'ClipError', code: 'WORKER', message: expect.stringMatching(/died/) });

describe('B09: the event loop', () => {
  it('turns all the time while pictures are computed: in this thread, once a picture', async () => {
    using clip = await loadClip({ towers: ['image'] });
    await clip.encodeImage(photo);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    await clip.encodeImage(Array(30).fill(photo));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3 * 30);
  });
});

describe("B20: the caller's buffers", () => {
  it('stay as they are, and what is written to them after the call makes no difference', async () => {
    using clip = await loadClip({ towers: ['image'] });
    using here = await loadHere({ towers: ['image'] });
    const [file, pixels] = [photo.slice(), { ...raw, data: raw.data.slice() }];
    const shared = new Uint8Array(new SharedArrayBuffer(photo.length));
    shared.set(photo);
    // A Blob of the caller's own making may give a buffer that he keeps.
    const kept = photo.slice().buffer;
    const blob = { size: kept.byteLength, arrayBuffer: async () => kept };
    const calls = [clip.encodeImage(file), clip.encodeImage(pixels), clip.encodeImage(shared), clip.encodeImage(blob)];
    file.fill(0);
    pixels.data.fill(0);
    shared.fill(0);
    const expected = await here.encodeImage([photo, raw, photo, photo]);
    expect(await Promise.all(calls)).toEqual(expected);
    for (const { buffer } of [file, pixels.data, new Uint8Array(kept)]) expect(buffer.byteLength).toBeGreaterThan(0);
  });

  it('beyond maxBytes is not taken away either', async () => {
    using clip = await loadClip(tiny);
    const file = photo.slice();
    expect(await rejection(clip.encodeImage(file, { maxBytes: 100 }))).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(file.byteLength).toBe(photo.byteLength);
  });

  it('an embedding may be transferred on without the others', async () => {
    using clip = await loadClip({ towers: ['text'] });
    const [a, b] = await clip.encodeText(['a', 'b']);
    structuredClone(a, { transfer: [a!.buffer] });
    expect(b!.length).toBe(384);
  });
});

describe('a signal', () => {
  it.each([1, 2])('stops pictures in the worker, with its own reason (%i threads)', async (threads) => {
    const { clip, sent } = await watched({ towers: ['image'], threads });
    const reason = new Error('enough');
    const controller = new AbortController();
    const call = clip.encodeImage(Array(300).fill(photo), {
      signal: controller.signal,
      onProgress: ({ done }) => done === 2 && controller.abort(reason),
    });
    expect(await rejection(call)).toBe(reason);
    const before = sent.filter(({ kind }) => kind === 'image').length;
    expect(before).toBeLessThan(12);
    expect(sent.at(-1)).toEqual({ kind: 'end', call: expect.any(Number) });
    expect(await clip.encodeImage(photo)).toHaveLength(384); // the worker goes on
    expect(sent.filter(({ kind }) => kind === 'image')).toHaveLength(before + 1);
    clip.dispose();
  });

  it('stops texts: the worker is free within a chunk', async () => {
    using clip = await loadClip({ towers: ['text'] });
    const texts = Array.from({ length: 20_000 }, (_, i) => `${i * 7919} small things, of which ${i} are red`);
    const call = clip.encodeText(texts, { signal: AbortSignal.timeout(100) });
    expect(await rejection(call)).toMatchObject({ name: 'TimeoutError' });
    let isLate = false;
    const late = sleep(15_000).then(() => {
      isLate = true;
    });
    await Promise.race([clip.encodeText('a cat'), late]);
    expect(isLate, 'all 20,000 take far longer').toBe(false);
  });

  it('stops loading, and ends the worker', async () => {
    const reason = new Error('no model');
    const controller = new AbortController();
    const loading = loadClip({ signal: controller.signal, onProgress: () => controller.abort(reason) });
    expect(await rejection(loading)).toBe(reason);
  });
});

describe('a stream without end', () => {
  it('has a few pictures in the worker, however slow the loop is, and its source is ended', async () => {
    const { clip, sent } = await watched({ towers: ['image'] });
    let given = 0;
    let isEnded = false;
    function* endless() {
      try {
        for (;;) {
          given++;
          yield photo;
        }
      } finally {
        isEnded = true;
      }
    }
    const images = () => sent.filter(({ kind }) => kind === 'image').length;
    for await (const { index } of clip.encodeImages(endless())) {
      await sleep(20);
      expect(images()).toBeLessThanOrEqual(index + 1 + 2);
      expect(given).toBeLessThanOrEqual(index + 1 + 3);
      if (index === 10) break;
    }
    expect(isEnded).toBe(true);
    expect(sent.at(-1)).toMatchObject({ kind: 'end' });
    clip.dispose();
  });
});

describe('progress', () => {
  it('of weights, texts and pictures', async () => {
    const loaded: Parameters<LoadProgress>[0][] = [];
    using clip = await loadClip({ onProgress: (progress) => loaded.push(progress) });
    expect(loaded.at(-1)).toEqual({ tower: 'text', loaded: loaded.at(-1)!.total, total: expect.any(Number) });
    expect(loaded.some(({ tower }) => tower === 'image')).toBe(true);
    const done: string[] = [];
    const onProgress = async (progress: { done: number; total: number }) => {
      await sleep(5); // the call waits for it
      done.push(`${progress.done} of ${progress.total}`);
    };
    await clip.encodeText(['a', 'b'], { onProgress });
    await clip.encodeImage([photo, photo], { onProgress });
    expect(done).toEqual(['2 of 2', '1 of 2', '2 of 2']);
    const onTokens = (counts: readonly number[]) => void done.push(`${counts} tokens`);
    const texts = ['a', 'a photo of a cat'];
    await clip.encodeText(texts, { onTokens, onProgress });
    expect(done.slice(3)).toEqual([`${await clip.countTokens(texts)} tokens`, '2 of 2']);
  });
});

describe('dispose', () => {
  it('rejects what waits and what comes, also twice, and ends the worker', async () => {
    const { clip, worker } = await watched(tiny);
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    const stream = clip.encodeImages([photo, photo, photo]);
    await stream.next();
    const waiting = [clip.encodeImage(photo), clip.encodeImage([photo, photo]), clip.encodeTokens([[0, 49_407]])];
    clip.dispose();
    clip.dispose();
    for (const outcome of await Promise.allSettled([...waiting, stream.next(), clip.encodeImage(photo)])) {
      expect(outcome).toEqual({ status: 'rejected', reason: disposed });
    }
    expect(() => clip.info()).toThrow(disposed);
    expect(() => clip.logitScale).toThrow(disposed);
    expect(() => clip.tokenize([])).toThrow(disposed);
    await exit;
  });
});

describe('a worker that dies', () => {
  it('rejects what waits and what comes with WORKER, keeps what is done, and can be disposed of', async () => {
    const { clip, worker } = await watched({ towers: ['image'] });
    const images = Array(40).fill(photo);
    const settled = clip.encodeImage(images, {
      settled: true,
      onProgress: ({ done }) => {
        if (done === 2) void worker.terminate();
      },
    });
    const waiting = clip.encodeImage(photo, { settled: true });
    const outcomes = await settled;
    expect(outcomes).toHaveLength(40);
    expect(outcomes[1]!.status).toBe('fulfilled');
    expect(outcomes[39]).toEqual({ status: 'rejected', reason: died });
    expect((await waiting).status).toBe('fulfilled');
    expect(await rejection(clip.encodeImage(photo))).toEqual(died);
    expect(() => clip.info()).toThrow(died);
    clip.dispose();
    using next = await loadClip(tiny);
    expect(next.info().towers).toEqual(['image', 'text']);
  });

  it('by an error of its own says which, to texts as well', async () => {
    const { clip, worker } = await watched({ towers: ['text'] });
    const call = clip.encodeText(Array.from({ length: 3000 }, (_, i) => `text ${i}`));
    worker.postMessage(null); // no message of the protocol
    expect(await rejection(call)).toMatchObject({ code: 'WORKER', message: expect.stringContaining('null') });
  });
});

describe('the process', () => {
  const program = (body: string) =>
    execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { readFileSync } from 'node:fs';
         import { loadClip } from ${JSON.stringify(new URL('../../dist/worker.js', import.meta.url).href)};
         const photo = readFileSync(${JSON.stringify(new URL('../../examples/cat.png', import.meta.url).pathname)});
         const clip = await loadClip({ towers: ['image'], threads: 2 });
         ${body}`,
      ],
      { encoding: 'utf8', timeout: 120_000 },
    ).trim();

  it('waits for calls, and ends with an idle worker or without one', () => {
    expect(program("clip.encodeImage(photo).then((a) => console.log('done', a.length));")).toBe('done 384');
    expect(program("await clip.encodeImage(photo); clip.dispose(); console.log('done');")).toBe('done');
  });

  it('does not wait for a source that never gives a picture', () => {
    expect(program("clip.encodeImages([new Promise(() => {})]).next(); console.log('done');")).toBe('done');
  });
});

describe('where there are no workers', () => {
  it('loadClip says so, and what to import', async () => {
    const { startWorker } = await import('../../src/worker/host-none.ts');
    const start = () =>
      startWorker(
        () => {},
        () => {},
      );
    expect(start).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining("'edgeclip'") }),
    );
  });

  it('under the permission model of Node.js, too', () => {
    const flag = Number.parseInt(process.versions.node, 10) < 22 ? '--experimental-permission' : '--permission';
    const entry = JSON.stringify(new URL('../../dist/worker.js', import.meta.url).href);
    const body = `const { loadClip } = await import(${entry}); await loadClip().catch(({ code, message }) => console.log(code, message));`;
    const args = [flag, '--allow-fs-read=*', '--input-type=module', '-e', body];
    const output = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe', timeout: 120_000 });
    expect(output).toMatch(/^UNSUPPORTED .*permission.*'edgeclip'/);
  });
});
