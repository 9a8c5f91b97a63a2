/** How fast a batch goes while workers are at work on it: time without workers does not count. */

/** A shard while a worker had it. */
export interface ShardTime {
  readonly pictures: number;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
}

/** A part that is done. */
export interface WrittenPart {
  readonly pictures: number;
  /** Milliseconds since 1970. */
  readonly written: number;
}

/** The pace is that of the shards that ended in the last hour of work. */
const RECENT_MS = 3_600_000;
/** A picture that took so many times as long as others did, with what came before it, waited for a worker. */
const PAUSE = 4;

/**
 * Pictures a second: those of one worker, times the workers that were at work at once.
 * @param done shards that are done
 * @param running when the shards were begun that workers have now
 * @returns undefined before a shard with pictures is done
 */
export function pace(
  done: readonly ShardTime[],
  running: readonly number[] = [],
  now = Date.now(),
): number | undefined {
  const last = done.reduce((latest, { end }) => Math.max(latest, end), 0);
  const recent = done.filter(({ end }) => end > last - RECENT_MS);
  const times = [...recent, ...running.map((start) => ({ start, end: now }))];
  const [pictures, worked, all] = [sum(recent.map((time) => time.pictures)), sum(recent.map(length)), sum(times.map(length))]; // biome-ignore format: one line
  if (pictures === 0 || worked === 0) return undefined;
  return ((1000 * pictures) / worked) * (all / covered(times));
}

/**
 * Seconds until the rest is done.
 * @param left the pictures of each shard that is left; undefined where that is not known, which is taken for a mean one
 * @param perSecond as `pace` gives it
 * @param known the pictures of shards that are done
 * @returns undefined without a pace, or if nothing tells how many pictures are left
 */
export function timeLeft(
  left: readonly (number | undefined)[],
  perSecond: number | undefined,
  known: readonly number[],
): number | undefined {
  if (perSecond === undefined || (known.length === 0 && left.includes(undefined))) return undefined;
  const mean = sum(known) / known.length;
  return Math.round(sum(left.map((pictures) => pictures ?? mean)) / perSecond);
}

/**
 * When one worker after the other had the shards, by when their parts were written: each from the part before it. Where that is far
 * longer than the others took, there was a pause.
 * @param begun when the first worker began
 */
export function timesOfParts(parts: readonly WrittenPart[], begun: number | undefined): ShardTime[] {
  const sorted = parts.filter(({ pictures }) => pictures > 0).sort((a, b) => a.written - b.written);
  const times = sorted.map(({ pictures, written }, i) => ({ pictures, start: i === 0 ? (begun ?? written) : sorted[i - 1]!.written, end: written })); // biome-ignore format: one line
  const sure = times.filter((time) => length(time) > 0);
  const each = sure.map((time) => length(time) / time.pictures).sort((a, b) => a - b);
  const typical = each[Math.floor((each.length - 1) / 2)] ?? 0;
  return sure.filter((time) => length(time) <= PAUSE * typical * time.pictures);
}

const length = ({ start, end }: Pick<ShardTime, 'start' | 'end'>): number => Math.max(0, end - start);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The time in which at least one was under way. */
function covered(times: readonly Pick<ShardTime, 'start' | 'end'>[]): number {
  let total = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const { start, end } of [...times].sort((a, b) => a.start - b.start)) {
    total += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return total;
}
