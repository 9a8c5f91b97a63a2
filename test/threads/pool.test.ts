import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { startThread } from '#platform';
import { compiledKernels } from '../../src/engine/compiled.ts';
import { MemoryPlan } from '../../src/engine/memory.ts';
import { type Thread, ThreadPool } from '../../src/engine/threads.ts';

const threads: Thread[] = [];
let pool: ThreadPool | undefined;
afterEach(() => pool?.stop());

/** A pool of three that packs rows, with short patience; `threads` are its workers. */
async function packingPool(patienceMs = 300) {
  const plan = new MemoryPlan();
  const x = plan.reserve('x', 12 * 8 * 4);
  const out = plan.reserve('out', 12 * 8 * 4);
  const control = plan.reserve('control', ThreadPool.controlBytes(3));
  const memory = plan.allocate(true);
  const floats = new Float32Array(memory.buffer);
  for (let i = 0; i < 96; i++) floats[x / 4 + i] = i + 1;
  threads.length = 0;
  const start = (message: object) => {
    const thread = startThread(message);
    threads.push(thread);
    return thread;
  };
  pool = new ThreadPool(start, await compiledKernels('simd', true), memory, control, 3, patienceMs);
  await pool.ready();
  const pack = () => {
    floats.fill(0, out / 4, out / 4 + 96);
    pool!.run('packRows', [0, 4, 8].map((row) => [x + row * 32, 32, 4, 8, out + row * 32])); // biome-ignore format: one call
    return floats.slice(out / 4, out / 4 + 96);
  };
  return { pool, pack };
}

const exited = (thread: Thread) => new Promise<void>((resolve) => thread.onExit(resolve));

describe('the pool', () => {
  it('runs every part', async () => {
    const { pack } = await packingPool();
    const packed = pack();
    expect([...packed].sort((a, b) => a - b)).toEqual(Array.from({ length: 96 }, (_, i) => i + 1));
  });

  it('rejects the call in which a worker dies, and serves the next', async () => {
    const { pool, pack } = await packingPool();
    const before = pack();
    threads[1]!.stop(); // the call begins before the end is noticed
    expect(pack).toThrow(expect.objectContaining({ code: 'WORKER' }));
    await pool.ready();
    expect(pack()).toEqual(before);
  });

  it('replaces a worker that died between two calls', async () => {
    const { pool, pack } = await packingPool();
    const before = pack();
    const gone = exited(threads[0]!);
    threads[0]!.stop();
    await gone;
    await pool.ready();
    expect(pack()).toEqual(before);
  });

  it('passes on that a kernel failed, and serves the next call', async () => {
    const { pool, pack } = await packingPool();
    const before = pack();
    const beyond = 2 ** 31;
    expect(() => pool.run('packRows', [[0, 0, 0, 0, 0], [beyond, 32, 4, 8, beyond]])).toThrow(
      expect.objectContaining({ code: 'WORKER' }),
    ); // biome-ignore format: one call
    expect(pack()).toEqual(before);
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
      timeout: 20_000,
    });
    expect(output.trim()).toBe('384');
  });
});
