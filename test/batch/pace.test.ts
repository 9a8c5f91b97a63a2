/** The rate of a batch: pictures a second while workers were at work. */
import { expect, it } from 'vitest';
import { pace, timeLeft, timesOfParts } from '../../src/batch/pace.ts';

const minutes = (n: number) => 60_000 * n;
/** A shard of 600 pictures. */
const shard = (start: number, end: number) => ({ pictures: 600, start: minutes(start), end: minutes(end) });

it('is that of one worker times those at work at once', () => {
  expect(pace([shard(0, 10)])).toBe(1);
  expect(pace([shard(0, 10), shard(0, 10), shard(0, 10)])).toBe(3);
  // Two after a pause of eight hours, of which one goes on.
  const [first, ...later] = [shard(0, 10), shard(490, 500), shard(490, 500), shard(500, 510)];
  expect(pace([first!, ...later])).toBeCloseTo(1.5, 12);
  // What workers have now counts as work, too.
  expect(pace(later.slice(0, 1), [minutes(490)], minutes(510))).toBeCloseTo(1.5, 12);
});

it('is that of the last hour of work', () => {
  const slow = [shard(0, 100), shard(100, 200)];
  expect(pace([...slow, shard(200, 260), shard(260, 261)])).toBeCloseTo(1200 / (61 * 60), 12);
});

it('is unknown before a shard with pictures is done', () => {
  expect(pace([])).toBeUndefined();
  expect(pace([], [0], 1000)).toBeUndefined();
  expect(pace([{ pictures: 0, start: 0, end: 1000 }])).toBeUndefined();
});

it('follows from when parts were written, but for pauses', () => {
  const parts = [10, 20, 500, 510, 531].map((at) => ({ pictures: 600, written: minutes(at) }));
  expect(timesOfParts(parts, undefined)).toEqual([shard(10, 20), shard(500, 510), shard(510, 531)]);
  expect(timesOfParts(parts.reverse(), minutes(1))[0]).toEqual(shard(1, 10));
  // Many pictures may take longer.
  const large = { pictures: 60_000, written: minutes(1500) };
  expect(timesOfParts([...parts, large], undefined).at(-1)).toEqual({ pictures: 60_000, start: minutes(531), end: minutes(1500) }); // biome-ignore format: one line
  expect(timesOfParts([], 0)).toEqual([]);
});

it('gives the time left, of tar files by the mean of what is known', () => {
  expect(timeLeft([600, 200], 4, [])).toBe(200);
  expect(timeLeft([600, undefined, undefined], 4, [100, 300])).toBe(250);
  expect(timeLeft([], 4, [])).toBe(0);
  // A queue with shards done whose parts are all gone.
  expect(timeLeft([600, undefined], 4, [])).toBeUndefined();
  expect(timeLeft([600], undefined, [1])).toBeUndefined();
});
