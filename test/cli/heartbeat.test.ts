import { mkdtempSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Heartbeat } from '../../src/cli/heartbeat.ts';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-alive-'));
const path = join(folder, 'alive');
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(path, { force: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Whether the file was touched since the last call. */
const touched = () => {
  const was = statSync(path).mtimeMs > 1_000_000;
  utimesSync(path, 1, 1);
  return was;
};

it('touches its file while the worker waits, and after pictures, but not while a picture hangs', () => {
  const heartbeat = new Heartbeat(path);
  expect(touched()).toBe(true);
  vi.advanceTimersByTime(60_000);
  expect(touched()).toBe(true); // it waits for a shard
  heartbeat.busy();
  expect([touched(), touched()]).toEqual([false, false]); // just touched
  vi.advanceTimersByTime(60_000);
  expect(touched()).toBe(false); // no picture came
  heartbeat.busy();
  expect(touched()).toBe(true);
  heartbeat.idle();
  vi.advanceTimersByTime(60_000);
  expect(touched()).toBe(true);
  heartbeat.end();
  vi.advanceTimersByTime(60_000);
  expect(touched()).toBe(false);
});

it('says why a file cannot be written', () => {
  expect(() => new Heartbeat(join(folder, 'none', 'alive'))).toThrow(/--alive ".*": there is no such file/);
});
