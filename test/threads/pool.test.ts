import { execFileSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { startThread } from '#platform';
import { compiledKernels } from '../../src/engine/compiled.ts';
import { MemoryPlan } from '../../src/engine/memory.ts';
import { ThreadPool } from '../../src/engine/threads/pool.ts';
import { recordProgram } from '../../src/engine/threads/program.ts';
import { WORKER_SOURCE } from '../../src/engine/threads/worker-source.ts';
import type { StartThread, Thread } from '../../src/platform/platform.ts';
import { expectSameBits } from '../kernels/compare.ts';

const threads: Thread[] = [];
let pool: ThreadPool | undefined;
afterEach(() => pool?.stop());

/** A worker that takes one part of a call and ends without doing it. */
const startDying: StartThread = (message) => {
  const source = `
    const { workerData: { memory, control } } = require('node:worker_threads');
    const state = new Int32Array(memory.buffer, control, 6);
    Atomics.add(state, 4, 1);
    for (;;) {
      const claim = Atomics.load(state, 0);
      if ((claim & 255) < ((claim >> 8) & 255) && Atomics.compareExchange(state, 0, claim, claim + 1) === claim) process.exit();
    }`;
  const worker = new Worker(source, { eval: true, workerData: message });
  worker.unref();
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => void worker.on('message', listener),
    onExit: (listener) => void worker.once('exit', listener),
    hold: () => {},
    stop: () => void worker.terminate(),
  };
};

const startHere = (message: object) => startThread(message, WORKER_SOURCE);

/** A pool of three that packs rows, with short patience; `threads` are its workers. */
async function packingPool(
  patienceMs = 300,
  begin: (message: { thread: number }) => Thread = startHere,
  startMs = 60_000,
) {
  const plan = new MemoryPlan();
  const x = plan.reserve('x', 12 * 8 * 4);
  const out = plan.reserve('out', 12 * 8 * 4);
  const control = plan.reserve('control', ThreadPool.controlBytes(3));
  const spare = plan.reserve('spare', 12 * 8 * 4);
  const programs = plan.reserve('programs', 2 ** 20);
  const memory = plan.allocate(true);
  const floats = new Float32Array(memory.buffer);
  for (let i = 0; i < 96; i++) floats[x / 4 + i] = i + 1;
  threads.length = 0;
  const start = (message: object) => {
    const thread = begin(message as { thread: number });
    threads.push(thread);
    return thread;
  };
  const module = await compiledKernels('simd', true);
  pool = new ThreadPool({ threads: 3, start, module, memory, control, scratchBytes: 0, patienceMs, startMs });
  await pool.ready();
  const pack = () => {
    floats.fill(0, out / 4, out / 4 + 96);
    // Many parts for three threads: each group of rows several times over.
    const groups = Array.from({ length: 12 }, (_, i) => (i % 3) * 4);
    pool!.run(
      'packRows',
      groups.map((row) => ({ x: x + row * 32, stride: 32, m: 4, k: 8, out: out + row * 32 })),
    );
    return floats.slice(out / 4, out / 4 + 96);
  };
  /** Programs that pack a group of rows each, one after the other in memory; `lost` packs rows outside of it. */
  const packByPrograms = (lost = false) => {
    floats.fill(0, out / 4, out / 4 + 96);
    let next = programs;
    const at = [0, 4, 8].map((row) => {
      const from = lost && row === 4 ? 2 ** 31 : x + row * 32;
      const { program } = recordProgram(({ own }) => {
        own.zeroBytes({ at: out + row * 32, bytes: 128 });
        own.packRows({ x: from, stride: 32, m: 4, k: 8, out: out + row * 32 });
      });
      pool!.words.set(program, next / 8);
      next += program.length * 8;
      return next - program.length * 8;
    });
    const finished = pool!.runPrograms(at);
    return { finished, packed: floats.slice(out / 4, out / 4 + 96) };
  };
  /** A program whose every step needs the step before it: numbers go around the rows, a row at a time, so many times. */
  const goAround = (times: number) => {
    floats.set(floats.slice(x / 4, x / 4 + 96), out / 4);
    const { program } = recordProgram(({ own, run }) => {
      for (let i = 0; i < times; i++) {
        own.copyBytes({ from: out, to: spare, bytes: 384 }); // one part
        run(
          'copyBytes',
          Array.from({ length: 12 }, (_, row) => ({
            from: spare + row * 32,
            to: out + ((row + 1) % 12) * 32,
            bytes: 32,
          })),
        );
      }
    });
    pool!.words.set(program, programs / 8);
    pool!.runProgram(programs);
    return floats.slice(out / 4, out / 4 + 96);
  };
  return { pool, pack, packByPrograms, goAround };
}

/** How long to call again until a worker is there first: on a busy machine it is late for thousands of calls. */
function patience(): () => boolean {
  const end = performance.now() + 60_000;
  return () => performance.now() < end;
}

const exited = (thread: Thread) => new Promise<void>((resolve) => thread.onExit(resolve));

describe('the pool', () => {
  it('runs every part', async () => {
    const { pack } = await packingPool();
    const packed = pack();
    expect([...packed].sort((a, b) => a - b)).toEqual(Array.from({ length: 96 }, (_, i) => i + 1));
  });

  it('rejects the call in which a worker dies at work, and serves the next', async () => {
    let dying = true;
    const { pool, pack } = await packingPool(300, (message) => (dying ? startDying(message, '') : startHere(message)));
    const packUntilDeath = () => {
      for (const isEarly = patience(); isEarly(); ) pack();
    };
    expect(packUntilDeath).toThrow(expect.objectContaining({ code: 'WORKER' }));
    dying = false;
    await pool.ready();
    const packed = pack();
    expect([...packed].sort((a, b) => a - b)).toEqual(Array.from({ length: 96 }, (_, i) => i + 1));
  });

  it('rejects the program in which a worker dies, and serves the next', async () => {
    let dying = true;
    const { pool, goAround } = await packingPool(300, (message) =>
      dying ? startDying(message, '') : startHere(message),
    );
    const goUntilDeath = () => {
      for (const isEarly = patience(); isEarly(); ) goAround(120);
    };
    expect(goUntilDeath).toThrow(expect.objectContaining({ code: 'WORKER' }));
    dying = false;
    await pool.ready();
    expectSameBits(goAround(120), goAround(0), 'rows that went around', 8);
  });

  it('keeps the programs that finished beside a worker that died', async () => {
    let dying = true;
    const { pool, packByPrograms } = await packingPool(100, (message) => {
      return dying && message.thread === 1 ? startDying(message, '') : startHere(message);
    });
    let outcome = packByPrograms();
    for (const isEarly = patience(); isEarly() && outcome.finished.every(Boolean); ) outcome = packByPrograms();
    expect(outcome.finished.filter((finished) => !finished)).toHaveLength(1); // one worker, one part
    dying = false;
    await pool.ready();
    const { finished, packed } = packByPrograms();
    expect(finished).toEqual([true, true, true]);
    // Groups of rows 0, 4 and 8: those that finished hold what they should.
    for (const [i, kept] of outcome.finished.entries()) {
      if (kept) expect(outcome.packed.slice(i * 32, (i + 1) * 32)).toEqual(packed.slice(i * 32, (i + 1) * 32));
    }
  });

  it('does without a worker that died in its sleep', async () => {
    const { pack } = await packingPool();
    const before = pack();
    threads[1]!.stop();
    expectSameBits(pack(), before, 'packed', 8);
  });

  it('replaces a worker that died between two calls', async () => {
    const { pool, pack } = await packingPool();
    const before = pack();
    const gone = exited(threads[0]!);
    threads[0]!.stop();
    await gone;
    await pool.ready();
    expectSameBits(pack(), before, 'packed', 8);
  });

  it('says how many workers did not start in time', async () => {
    const silent: Thread = { post() {}, onMessage() {}, onExit() {}, hold() {}, stop() {} };
    const begin = (message: { thread: number }) => (message.thread === 1 ? silent : startHere(message));
    await expect(packingPool(300, begin, 5)).rejects.toMatchObject({
      code: 'WORKER',
      message: expect.stringMatching(/^worker threads do not start: [01] of 2 did$/),
    });
  });

  it('says why workers cannot be started, and starts them at the next call that can', async () => {
    let refused = false;
    const { pool, pack } = await packingPool(300, (message) => {
      if (refused) throw new Error('no more threads');
      return startHere(message);
    });
    const before = pack();
    const gone = exited(threads[0]!);
    threads[0]!.stop();
    await gone;
    refused = true;
    for (let i = 0; i < 2; i++) {
      await expect(pool.ready()).rejects.toMatchObject({
        code: 'WORKER',
        message: 'worker threads do not start: 0 of 2 did: no more threads',
        cause: new Error('no more threads'),
      });
    }
    refused = false;
    await pool.ready();
    expectSameBits(pack(), before, 'packed', 8);
  });

  it('passes on that a kernel failed, and serves the next call', async () => {
    const { pool, pack } = await packingPool();
    const before = pack();
    const beyond = 2 ** 31;
    expect(() => pool.run('packRows', [
      { x: 0, stride: 0, m: 0, k: 0, out: 0 },
      { x: beyond, stride: 32, m: 4, k: 8, out: beyond },
    ])).toThrow(
      expect.objectContaining({ code: 'WORKER' }),
    ); // biome-ignore format: one call
    expectSameBits(pack(), before, 'packed', 8);
  });

  it('runs programs, tells which failed, and keeps the others', async () => {
    const { pack, packByPrograms } = await packingPool();
    const packed = pack();
    expect(packByPrograms()).toEqual({ finished: [true, true, true], packed });
    const lost = packByPrograms(true);
    expect(lost.finished).toEqual([true, false, true]);
    const row = (i: number) => lost.packed.slice(i * 8, i * 8 + 32);
    expect([row(0), row(8)]).toEqual([packed.slice(0, 32), packed.slice(64, 96)]);
    expect(packByPrograms()).toEqual({ finished: [true, true, true], packed });
  });

  it('runs the steps of a program one after the other', async () => {
    const { goAround } = await packingPool();
    const numbers = goAround(0);
    const once = [...numbers.slice(-8), ...numbers.slice(0, -8)];
    for (let i = 0; i < 20; i++) {
      expect([...goAround(12 * 25)]).toEqual([...numbers]);
      expect([...goAround(12 * 25 + 1)]).toEqual(once);
    }
  });

  it('passes on that a step failed, and serves the next program', async () => {
    const { pool, pack, goAround } = await packingPool();
    const before = pack();
    const { program } = recordProgram(({ run }) =>
      run('copyBytes', [
        { from: 0, to: 0, bytes: 0 },
        { from: 2 ** 31, to: 2 ** 31, bytes: 8 },
      ]),
    );
    const numbers = goAround(12);
    const at = pool.words.length - program.length;
    pool.words.set(program, at);
    expect(() => pool.runProgram(at * 8)).toThrow(expect.objectContaining({ code: 'WORKER' }));
    expectSameBits(goAround(12), numbers, 'rows that went around', 8);
    expectSameBits(pack(), before, 'packed', 8);
  });

  it('ends its workers when it is stopped', async () => {
    const { pool } = await packingPool();
    const gone = Promise.all(threads.map(exited));
    pool.stop();
    await gone;
  });
});

describe('a process', () => {
  it('ends by itself with a model that was never disposed of', () => {
    const program = `
      import { loadClip } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
      const clip = await loadClip(undefined, { threads: 2, towers: ['text'] });
      console.log((await clip.encodeText('a cat')).length);`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    expect(output.trim()).toBe('384');
  });
});
