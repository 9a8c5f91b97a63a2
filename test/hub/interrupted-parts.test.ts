/** A tower whose parts were interrupted on their way: the next load goes on where it broke. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { rejection } from '../api/checkpoint.ts';
import { sha256 } from './fake-hub.ts';
import { asked, BLOCK, goldenText, ID, image, list, parts, rangesAsked, textEmbedding, useParts } from './parts.ts';
import { cache, embedding, golden, here, model, NAME } from './surroundings.ts';

useParts();

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
