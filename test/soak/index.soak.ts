/**
 * `edgeclip index` killed at random moments: nothing that was stored is lost, nothing is computed twice but what was in flight, and
 * the index in the end is that of one run. In SQLite and in PostgreSQL, 2,000 photos of 12 megapixels; the short form
 * (`EDGECLIP_SOAK_MINUTES` below 1, as in CI) has 60 small ones. Needs `npm run build`.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadClip } from '../../src/index.ts';
import { png } from '../../src/png-file.ts';
import { openPhotos } from '../../src/search/index.ts';
import { projectPath } from '../cli/command.ts';
import { Random } from '../kernels/random.ts';
import { PostgresServer } from '../postgres/server.ts';

const short = Number(process.env.EDGECLIP_SOAK_MINUTES ?? 10) < 1;
const COUNT = short ? 60 : 2000;
const [WIDTH, HEIGHT] = short ? [120, 90] : [4000, 3000];
const KILLS = 5;

const work = mkdtempSync(join(tmpdir(), 'edgeclip-index-soak-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const random = new Random(Number(process.env.EDGECLIP_SOAK_SEED ?? 1));

/** Pictures of four flat areas, so that they are made fast. Each file has a number behind its end: its content is its own. */
function writePhotos(folder: string): void {
  mkdirSync(folder);
  const files = Array.from({ length: 20 }, () => {
    const colors = random.bytes(12);
    const data = new Uint8Array(WIDTH * HEIGHT * 3);
    for (let y = 0, at = 0; y < HEIGHT; y++) {
      for (let x = 0; x < WIDTH; x++) {
        const area = 3 * ((y > HEIGHT / 2 ? 2 : 0) + (x > WIDTH / 2 ? 1 : 0));
        for (let c = 0; c < 3; c++) data[at++] = colors[area + c]!;
      }
    }
    return png(data, WIDTH, HEIGHT);
  });
  for (let i = 0; i < COUNT; i++) {
    const name = String(i).padStart(5, '0');
    writeFileSync(join(folder, `${name}.png`), Buffer.concat([files[i % files.length]!, Buffer.from(name)]));
  }
}

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
  writePhotos(join(work, 'photos'));
});
afterAll(() => server?.remove());

/** Runs the command; kills it some time after it has stored so many photos, if given. Returns what it printed. */
function index(place: string, killAt?: number): Promise<string> {
  const args = [join(projectPath, 'dist/cli/main.js'), 'index', 'photos', '--to', place, '--threads', '1'];
  const child = spawn(process.execPath, args, { cwd: work, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  let runs = true;
  const watch = async () => {
    while (runs && killAt !== undefined && (await stored(place)).size < killAt) {
      await new Promise((resolve) => setTimeout(resolve, short ? 10 : 200));
    }
    if (killAt !== undefined) setTimeout(() => child.kill('SIGKILL'), (short ? 20 : 400) * random.next());
  };
  const watching = watch();
  return new Promise((resolve, reject) =>
    child.on('close', () => {
      runs = false;
      watching.then(() => resolve(printed), reject);
    }),
  );
}

/** Ids by path; none before the index is there. */
async function stored(place: string) {
  const store = await openPhotos(place, { readOnly: true }).catch(() => undefined);
  if (!store) return new Map<string, number>();
  const photos = new Map((await store.photos()).map(({ path, id }) => [path, id]));
  await store.close();
  return photos;
}

it.each([
  ['SQLite', () => join(work, 'photos.db')],
  ['PostgreSQL', () => server.address()],
])('%s loses nothing when its writer is killed, and repeats nothing', async (what, place) => {
  let before = await stored(place());
  const counts: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    // Anywhere in each fifth of the whole run.
    const moment = Math.floor((COUNT * (kill + random.next())) / KILLS);
    await index(place(), Math.max(before.size + 1, moment));
    const after = await stored(place());
    for (const [path, id] of before) expect(after.get(path)).toBe(id); // also: was not computed again
    // In order, without a gap: what is missing is what had not had its turn.
    expect([...after.keys()]).toEqual(sorted().slice(0, after.size));
    counts.push(after.size);
    before = after;
  }
  const report = await index(place());
  const done = before.size;
  expect(report).toMatch(`: ${COUNT} photos (${done < COUNT ? `${COUNT - done} new` : 'nothing new'})\n`);
  const last = await stored(place());
  expect(last.size).toBe(COUNT);
  for (const [path, id] of before) expect(last.get(path)).toBe(id);
  console.log(`${what}: stored after each kill ${counts.join(', ')} of ${COUNT}`);

  using clip = await loadClip({ towers: ['image'] });
  const store = await openPhotos(place(), { readOnly: true });
  for (let i = 0; i < 20; i++) {
    const [path, id] = [...last][random.integer(0, COUNT - 1)]!;
    expect(await store.vector(id)).toEqual(await clip.encodeImage(readFileSync(path)));
  }
  await store.close();
});

const sorted = () => readdirSync(join(work, 'photos')).sort().map((name) => join(work, 'photos', name)); // biome-ignore format: one step
