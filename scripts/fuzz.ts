/**
 * Damaged pictures, made from the tests' own: each must give a picture or a typed error, soon, the same from a stream in pieces,
 * and leave the next good file exact.
 *
 *     npm run fuzz -- [--count 2000] [--seed 1] [--only NAME]
 *
 * Every damaged file follows from the seed and its number, which a failure names; `--only` takes files whose name contains this.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ClipError } from '../src/errors.ts';
import type { DecodeOptions, ImageInput } from '../src/image/decode.ts';
import { preprocess } from '../src/image/preprocess.ts';
import { type PreprocessConfig, preprocessConfigFromOpenClip } from '../src/image/preprocess-config.ts';
import { damaged, piecesOf, randomOf } from './damage.ts';

/** No file may take more CPU time. */
const MOST_MS = 2000;
const CODES = ['IMAGE_FORMAT', 'IMAGE_TRUNCATED', 'IMAGE_TOO_LARGE'];
/** Crops so small that pictures of some dozen pixels are decoded at 1/2, 1/4 and 1/8, too. */
const CONFIGS = [32, 16, 7, 4].map((size) => preprocessConfigFromOpenClip(undefined, size));
/** How many of 20 damaged files are of a format, and which of its files is decoded after each. */
const FORMATS: readonly (readonly [ending: string, share: number, good: string])[] = [
  ['.jpg', 10, 'factors-2x2-optimize.jpg'],
  ['.png', 7, 'rgb8-32x18.png'],
  ['.webp', 1, 'webp-lossy-alpha.webp'],
  ['.avif', 1, 'avif-420-full.avif'],
  ['.heic', 1, 'heic-444.heic'],
];

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
  for (const folder of ['jpeg', 'png', 'heif']) {
    const container = new Uint8Array(readFileSync(new URL(`${folder}/files.bin`, golden)));
    const { cases } = JSON.parse(readFileSync(new URL(`${folder}/cases.json`, golden), 'utf8'));
    for (const { name, offset, length } of cases as { name: string; offset: number; length: number }[]) {
      const ending = { jpeg: 'jpg', png: 'png', heif: name.slice(0, 4) }[folder];
      found.push({ name: `${name}.${ending}`, bytes: container.subarray(offset, offset + length) });
    }
  }
  for (const name of readdirSync(new URL('image-cases/', golden)).sort()) {
    if (!/\.(jpg|png|webp)$/.test(name)) continue;
    found.push({ name, bytes: new Uint8Array(readFileSync(new URL(`image-cases/${name}`, golden))) });
  }
  return found.filter(({ bytes }) => bytes.length < 20_000);
}

/** The crop's hash, or the error's code. @throws what is not a typed error of a picture */
async function outcomeOf(image: ImageInput, config: PreprocessConfig, options: DecodeOptions): Promise<string> {
  try {
    return hash((await preprocess(image, config, options)).data);
  } catch (error) {
    if (error instanceof ClipError && CODES.includes(error.code)) return error.code;
    throw error;
  }
}

const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

function streamOf(pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next < pieces.length) controller.enqueue(pieces[next++]!);
      else controller.close();
    },
  });
}

/** Milliseconds of CPU time of this process. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const all = samples();
const kinds = FORMATS.map(([ending, share, good]) => {
  const files = all.filter(({ name }) => name.endsWith(ending));
  const chosen = files.filter(({ name }) => name.includes(values.only));
  return { share, files, chosen, good: files.find(({ name }) => name === good)! };
});
const lots = kinds.flatMap((kind) => (kind.chosen.length > 0 ? Array<typeof kind>(kind.share).fill(kind) : []));
if (lots.length === 0) throw new Error(`no sample's name contains "${values.only}"`);
const exact = new Map<Sample, string>();
for (const { good } of kinds) exact.set(good, await outcomeOf(good.bytes, CONFIGS[0]!, {}));

const outcomes = new Map<string, number>();
let slowest = 0;
for (let number = 0; number < count; number++) {
  const random = randomOf(Math.imul(seed, 1_000_003) + number);
  const { files, chosen, good } = lots[random(lots.length)]!;
  const { name, bytes: whole } = chosen[random(chosen.length)]!;
  const bytes = damaged(whole, files[random(files.length)]!.bytes, random);
  const fail = (what: string, cause?: unknown) => {
    const kept = join(tmpdir(), `fuzz-${seed}-${number}`);
    writeFileSync(kept, bytes);
    throw new Error(`--seed ${seed}, number ${number} (${name}, now ${kept}): ${what}`, { cause });
  };
  const config = CONFIGS[random(CONFIGS.length)]!;
  const options = { scaled: random(2) === 0, orient: random(2) === 0 };
  const start = cpu();
  const outcome = await outcomeOf(bytes, config, options).catch((error) => fail(String(error), error));
  const ms = cpu() - start;
  slowest = Math.max(slowest, ms);
  if (ms > MOST_MS) fail(`${Math.round(ms)} ms of CPU time`);
  if (random(2) === 0) {
    const streamed = await outcomeOf(streamOf(piecesOf(bytes, random)), config, options).catch(String);
    if (streamed !== outcome) fail(`as bytes ${outcome}, from a stream ${streamed}`);
  }
  if ((await outcomeOf(good.bytes, CONFIGS[0]!, {})) !== exact.get(good)) fail('the next good file has other pixels');
  const kind = CODES.includes(outcome) ? outcome : 'a picture';
  outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
}
console.log([...outcomes].map(([outcome, n]) => `${outcome}: ${n}`).join(', '));
console.log(`${count} damaged files, seed ${seed}; the slowest took ${Math.round(slowest)} ms of CPU time`);
