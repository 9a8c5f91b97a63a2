/**
 * Damaged pictures, made from the tests' own: each must give a picture or a typed error, soon, and leave the next good file
 * exact.
 *
 *     npm run fuzz -- [--count 2000] [--seed 1] [--only NAME]
 *
 * Every damaged file follows from the seed and its number, which a failure names; `--only` takes files whose name contains this.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { crc32 } from '../src/crc32.ts';
import { ClipError } from '../src/errors.ts';
import { preprocess } from '../src/image/preprocess.ts';
import { preprocessConfigFromOpenClip } from '../src/image/preprocess-config.ts';

/** No file may take longer. */
const MOST_MS = 2000;
const CODES = ['IMAGE_FORMAT', 'IMAGE_TRUNCATED', 'IMAGE_TOO_LARGE'];
const config = preprocessConfigFromOpenClip(undefined, 32);

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
});
const [count, seed] = [Number(values.count), Number(values.seed)];
if (!(count >= 1) || !Number.isInteger(seed)) {
  console.error('usage: npm run fuzz -- [--count N] [--seed S] [--only NAME]');
  process.exit(2);
}

interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** All pictures of the tests that are small. */
function samples(): Sample[] {
  const golden = new URL('../test/golden/', import.meta.url);
  const found: Sample[] = [];
  for (const [folder, ending] of [
    ['jpeg', '.jpg'],
    ['png', '.png'],
    ['heif', ''],
  ]) {
    const container = new Uint8Array(readFileSync(new URL(`${folder}/files.bin`, golden)));
    const { cases } = JSON.parse(readFileSync(new URL(`${folder}/cases.json`, golden), 'utf8'));
    for (const { name, offset, length } of cases as { name: string; offset: number; length: number }[]) {
      found.push({ name: `${name}${ending}`, bytes: container.subarray(offset, offset + length) });
    }
  }
  for (const name of readdirSync(new URL('image-cases/', golden)).sort()) {
    if (!/\.(jpg|png|webp)$/.test(name)) continue;
    found.push({ name, bytes: new Uint8Array(readFileSync(new URL(`image-cases/${name}`, golden))) });
  }
  return found.filter(({ name, bytes }) => name.includes(values.only) && bytes.length < 20_000);
}

/** mulberry32: numbers below `below`. */
function randomOf(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

type Change = (bytes: Uint8Array, random: (below: number) => number) => Uint8Array;

const changes: readonly Change[] = [
  (bytes, random) => {
    const at = random(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << random(8));
    return bytes;
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random(6)]!;
    return bytes;
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = random(256);
    return bytes;
  },
  // A marker, or a length, in the middle of something else.
  (bytes, random) => {
    const at = random(bytes.length);
    bytes.set([0xff, 0xc0 + random(64)].slice(0, bytes.length - at), at);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random(bytes.length)),
  (bytes, random) => {
    const at = random(bytes.length);
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random(40)));
  },
  (bytes, random) => {
    const at = random(bytes.length);
    const from = random(bytes.length);
    return joined(bytes.subarray(0, at), bytes.subarray(from, from + random(300)), bytes.subarray(at));
  },
  (bytes, random) => bytes.fill([0, 0xff, random(256)][random(3)]!, random(bytes.length)).subarray(0),
];

function damaged(all: readonly Sample[], number: number): Sample {
  const random = randomOf(Math.imul(seed, 1_000_003) + number);
  const sample = all[random(all.length)]!;
  let bytes = sample.bytes.slice();
  for (let left = 1 + random(4); left > 0 && bytes.length > 0; left--) {
    bytes = changes[random(changes.length)]!(bytes, random).slice();
  }
  if (sample.name.endsWith('.png') && random(2) === 0) repairSums(bytes);
  return { name: sample.name, bytes };
}

/** Makes the chunks' checksums right, so that the damage behind them is seen. */
function repairSums(png: Uint8Array): void {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 12 <= png.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > png.length) return;
    view.setUint32(end, crc32(png.subarray(at + 4, end)));
    at = end + 4;
  }
}

const all = samples();
if (all.length === 0) throw new Error(`no sample's name contains "${values.only}"`);
const good = all.find(({ name }) => name.endsWith('.jpg') && name.includes('2x2')) ?? all[0]!;
const crop = async () =>
  createHash('sha256')
    .update((await preprocess(good.bytes, config)).data)
    .digest('hex');
const expected = await crop();
const outcomes = new Map<string, number>();
let slowest = 0;
for (let number = 0; number < count; number++) {
  const { name, bytes } = damaged(all, number);
  const start = performance.now();
  let outcome = 'a picture';
  try {
    await preprocess(bytes, config, { scaled: number % 3 === 0, orient: number % 2 === 0 });
  } catch (error) {
    outcome = error instanceof ClipError ? error.code : String(error);
    if (!CODES.includes(outcome)) {
      throw new Error(`--seed ${seed}, number ${number} (${name}): ${outcome}`, { cause: error });
    }
  }
  const ms = performance.now() - start;
  slowest = Math.max(slowest, ms);
  if (ms > MOST_MS) throw new Error(`--seed ${seed}, number ${number} (${name}): ${Math.round(ms)} ms`);
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  if (number % 20 === 19 && (await crop()) !== expected) {
    throw new Error(`--seed ${seed}, number ${number} (${name}): the next good file has other pixels`);
  }
}
console.log([...outcomes].map(([outcome, n]) => `${outcome}: ${n}`).join(', '));
console.log(`${count} damaged files, seed ${seed}; the slowest took ${Math.round(slowest)} ms`);
