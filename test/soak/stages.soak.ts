/**
 * Where the processor time of a worker goes, from a JPEG of 500 x 375 in a bucket or a folder to its row in a part: each stage alone,
 * in turns, and a whole shard, which must cost what its stages do. Prints its figures (docs/scale.md). Needs the services of
 * test/batch/services.ts.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { median } from '../../bench/median.js';
import { removeModels, vitB32 } from '../../bench/models.ts';
import { openStorage } from '../../src/batch/open-storage.ts';
import { type PartMaker, PartWriter } from '../../src/batch/parts.ts';
import { planName } from '../../src/batch/plan.ts';
import { PictureSource } from '../../src/batch/sources.ts';
import { workShard } from '../../src/batch/work.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { loadClip } from '../../src/index.ts';
import { bucketAt, startStorage, storageVariables } from '../batch/services.ts';
import { minutes } from './duration.ts';

const isLong = minutes >= 5;
const [PICTURES, ROUNDS] = isLong ? [200, 7] : [60, 3];
const JPEG = readFileSync(new URL('../golden/preprocess/inputs/jpeg_q75_500x375.jpg', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'edgeclip-stages-'));
const keys = Array.from({ length: PICTURES }, (_, i) => `${String(i).padStart(5, '0')}.jpg`);
const { signal } = new AbortController();
const options = { orient: false, scaled: false };
const made: PartMaker = {
  model: { name: 'a model', precision: 'int8', fingerprint: 'f' },
  maker: 'm',
  version: '1',
  dimension: 512,
  prepared: options,
};
const head = (input: string) =>
  ({ id: 'stages', input, kind: 'files', base: '/', layout: 'parquet', half: false }) as const;
afterAll(() => {
  removeModels();
  rmSync(folder, { recursive: true, force: true });
});

/** Milliseconds of this process a picture: others on the machine change them less than they change the time. */
async function cost(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / PICTURES;
}

/** Each stage once a round, so that all see the same machine; the first round only warms up. */
async function inTurns<Name extends string>(stages: Record<Name, () => Promise<unknown>>) {
  const costs = Object.entries<() => Promise<unknown>>(stages).map(([name, work]) => ({ name, work, each: [] as number[] })); // biome-ignore format: one line
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { work, each } of costs) {
      const ms = await cost(work);
      if (round > 0) each.push(ms);
    }
  }
  return Object.fromEntries(costs.map(({ name, each }) => [name, median(each)])) as Record<Name, number>;
}

async function read(source: PictureSource): Promise<void> {
  for await (const { bytes } of source.pictures({ part: 0, keys }, signal)) await bytes();
}

it('a shard costs what its stages do', async () => {
  const storage = await startStorage(join(folder, 'storage'));
  try {
    Object.assign(process.env, storageVariables(storage.port));
    const bucket = bucketAt(storage.port);
    await bucket.put('photos', new Uint8Array(0));
    mkdirSync(join(folder, 'photos'));
    for (const key of keys) {
      await bucket.put(`photos/${key}`, JPEG);
      writeFileSync(join(folder, 'photos', key), JPEG);
    }
    const [far, near] = ['s3://photos', join(folder, 'photos')].map((place) => new PictureSource(head(place))) as [PictureSource, PictureSource]; // biome-ignore format: one line
    const config = preprocessConfigFromOpenClip(undefined, 224);
    const pixels = { data: new Uint8Array(500 * 375 * 3), width: 500, height: 375 };
    const files = keys.map(() => new Uint8Array(JPEG));
    const embedding = new Float32Array(512).map((_, i) => Math.sqrt(i));
    const embedded = await loadClip({ towers: ['image'] });
    const vit = isLong ? await loadClip(await vitB32('int8'), { towers: ['image'] }) : undefined;
    let part = 0;
    const output = await openStorage(join(folder, 'vectors'), { create: true });
    await output.create(planName(0), new Uint8Array(0)); // workers look whether it is still there
    const shard = (source: PictureSource, place: string) =>
      workShard(
        { part: part++, keys, check: '' },
        { clip: embedded, head: head(place), output, source, made, options, signal },
      );
    const stages = {
      bucket: () => read(far),
      folder: () => read(near),
      crop: async () => {
        for (const file of files) await preprocess(file, config);
      },
      resize: async () => {
        for (const _ of files) await preprocess(pixels, config);
      },
      embed: () => embedded.encodeImage(files),
      write: async () => {
        const writer = await PartWriter.open({ layout: 'parquet', half: false, part: part++, shard: '', made });
        for (const key of keys) writer.add({ key, embedding, width: 500, height: 375, sha256: '0'.repeat(64) });
        for (const { name, bytes } of writer.end()) await output.create(name, bytes);
      },
      shard: () => shard(far, 's3://photos'),
      ...(vit && { vit: () => vit.encodeImage(files) }),
    };
    const ms = await inTurns<keyof typeof stages | 'vit'>(stages as Record<keyof typeof stages | 'vit', () => Promise<unknown>>); // biome-ignore format: one line
    embedded.dispose();
    vit?.dispose();
    const rows = {
      'read from a bucket': ms.bucket,
      'read from a folder': ms.folder,
      'decode the JPEG': ms.crop - ms.resize,
      'resize and crop': ms.resize,
      'the tower, embedded model': ms.embed - ms.crop,
      ...(vit && { 'the tower, ViT-B/32 int8': ms.vit - ms.crop }),
      'write the part': ms.write,
      'a shard from a bucket, embedded model': ms.shard,
    };
    for (const [name, value] of Object.entries(rows))
      console.log(`${name.padEnd(40)}${value.toFixed(2).padStart(8)} ms`);
    const sum = ms.bucket + ms.embed + ms.write;
    // A few turns on a busy machine tell less.
    const spread = isLong ? 1.3 : 3;
    expect(ms.shard / sum).toBeGreaterThan(1 / spread);
    expect(ms.shard / sum).toBeLessThan(spread);
  } finally {
    await storage.stop();
  }
});
