/**
 * `edgeclip index` killed at random moments: nothing that was stored is lost, nothing is computed twice but what was in flight, and
 * the index in the end is that of one run. 2,000 photos of 12 megapixels; the short form (`EDGECLIP_SOAK_MINUTES` below 1, as in
 * CI) has 60 small ones.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { png } from '../../src/cli/thumbnail.ts';
import { loadClip } from '../../src/index.ts';
import { openPhotos } from '../../src/search/index.ts';
import { projectPath } from '../cli/command.ts';
import { Random } from '../kernels/random.ts';

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

/** Runs the command; kills it some time after it has stored so many photos, if given. Returns what it printed. */
function index(killAt?: number): Promise<string> {
  const args = [join(projectPath, 'dist/cli/main.js'), 'index', 'photos', '--to', 'photos.db', '--threads', '1'];
  const child = spawn(process.execPath, args, { cwd: work, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  let runs = true;
  const watch = async () => {
    while (runs && killAt !== undefined && (await stored()).size < killAt) {
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

async function stored() {
  if (!existsSync(join(work, 'photos.db'))) return new Map<string, number>();
  const store = await openPhotos(join(work, 'photos.db'), { readOnly: true }).catch(() => undefined);
  if (!store) return new Map<string, number>(); // killed before its tables were there
  const photos = new Map((await store.photos()).map(({ path, id }) => [path, id]));
  await store.close();
  return photos;
}

it('loses nothing when it is killed, and repeats nothing', async () => {
  writePhotos(join(work, 'photos'));
  let before = await stored();
  const counts: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    // Anywhere in a fifth of what is left before the last kill, a quarter before the one before it, and so on.
    const share = Math.floor((COUNT - before.size) / (KILLS - kill + 1));
    await index(before.size + random.integer(1, Math.max(1, share)));
    const after = await stored();
    for (const [path, id] of before) expect(after.get(path)).toBe(id); // also: was not computed again
    // In order, without a gap: what is missing is what had not had its turn.
    expect([...after.keys()]).toEqual(sorted().slice(0, after.size));
    counts.push(after.size);
    before = after;
  }
  const report = await index();
  const done = before.size;
  expect(report).toBe(`photos.db: ${COUNT} photos (${done < COUNT ? `${COUNT - done} new` : 'nothing new'})\n`);
  const last = await stored();
  expect([...last.values()]).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1));
  console.log(`stored after each kill: ${counts.join(', ')} of ${COUNT}`);

  using clip = await loadClip({ towers: ['image'] });
  const store = await openPhotos(join(work, 'photos.db'), { readOnly: true });
  for (let i = 0; i < 20; i++) {
    const [path, id] = [...last][random.integer(0, COUNT - 1)]!;
    expect(await store.vector(id)).toEqual(await clip.encodeImage(readFileSync(path)));
  }
  await store.close();
});

const sorted = () => readdirSync(join(work, 'photos')).sort().map((name) => join(work, 'photos', name)); // biome-ignore format: one step
