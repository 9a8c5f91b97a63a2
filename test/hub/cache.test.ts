/** The cache: Python's layout and Python itself, read-only and damaged caches, several processes, killed ones, full disks. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { PARTS } from '../../src/hub/block-list.ts';
import { loadClip } from '../../src/load.ts';
import { readFolder, rejection } from '../api/checkpoint.ts';
import { sha256 } from './fake-hub.ts';
import { cache, embedding, golden, here, model, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

const SCRIPT = fileURLToPath(new URL('load-once.ts', import.meta.url));
const TSX = ['--conditions=edgeclip-source', '--import', 'tsx', SCRIPT];

/** A load in another process. */
async function other(options: object = {}, env: Record<string, string> = {}): Promise<number[]> {
  const running = promisify(execFile)(process.execPath, [...TSX, NAME, JSON.stringify(options)], { env: { ...process.env, ...env } }); // biome-ignore format: one line
  return JSON.parse((await running).stdout);
}

const fetches = () => here.hub.asked.filter(({ at }) => at === 'files').length;

useFakeHub();

describe('the layout', () => {
  it('is that of huggingface_hub: blobs by their ETags, relative links, refs', async () => {
    const commit = here.hub.publish(NAME, { ...model, 'deep/er/config.json': '{}' });
    await embedding();
    expect(readdirSync(cache()).sort()).toEqual(['.edgeclip', 'blobs', 'refs', 'snapshots']);
    expect(readFileSync(cache('refs', 'main'), 'utf8')).toBe(commit);
    expect(readlinkSync(cache('snapshots', commit, WEIGHTS))).toBe(`../../blobs/${sha256(weights)}`);
    expect(sha256(readFileSync(cache('snapshots', commit, WEIGHTS)))).toBe(sha256(weights));
    expect(readdirSync(cache('blobs'))).toHaveLength(2);
  });

  it('is where the variables and the option say', async () => {
    here.hub.publish(NAME, model);
    process.env.HF_HUB_CACHE = join(here.top, 'cache');
    await embedding();
    expect(readdirSync(join(here.top, 'cache'))).toEqual(['models--someone--tiny-vit']);
    await embedding(NAME, { cacheDir: join(here.top, 'own') });
    expect(readdirSync(join(here.top, 'own'))).toEqual(['models--someone--tiny-vit']);
    expect(existsSync(cache())).toBe(false);
  });

  it('R19: in a relative folder has links that lead somewhere from everywhere', async () => {
    const commit = here.hub.publish(NAME, model);
    const cacheDir = relative(process.cwd(), join(here.top, 'cache-here'));
    const expected = await embedding(NAME, { cacheDir });
    renameSync(join(here.top, 'cache-here'), join(here.top, 'moved'));
    const snapshot = join(here.top, 'moved', 'models--someone--tiny-vit', 'snapshots', commit);
    expect(sha256(readFileSync(join(snapshot, WEIGHTS)))).toBe(sha256(weights));
    expect(await embedding(snapshot), 'a snapshot is a folder').toEqual(expected);
  });

  it('keeps two commits apart and what they share once', async () => {
    const first = here.hub.publish(NAME, model);
    await embedding();
    const second = here.hub.publish(NAME, { ...model, 'open_clip_config.json': Buffer.concat([model['open_clip_config.json']!, Buffer.from('\n')]) }); // biome-ignore format: one line
    await embedding();
    expect(fetches(), 'the weights are the same').toBe(1);
    expect(readdirSync(cache('snapshots')).sort()).toEqual([first, second].sort());
    expect(readFileSync(cache('refs', 'main'), 'utf8')).toBe(second);
  });
});

const python = process.env.EDGECLIP_PYTHON ?? 'python3';
const hasPython = (() => {
  try {
    execFileSync(python, ['-c', 'import huggingface_hub'], { stdio: 'ignore' });
    return true;
  } catch {
    // In CI it is installed (.ci/run); elsewhere these tests are left out.
    const missing = `${python} has no huggingface_hub: pip install huggingface_hub, and name the Python by EDGECLIP_PYTHON`;
    if (process.env.EDGECLIP_PYTHON) throw new Error(missing);
    console.warn(`the cache is not tried with Python's own package: ${missing}`);
    return false;
  }
})();

describe.skipIf(!hasPython)("with Python's huggingface_hub (EDGECLIP_PYTHON: a Python that has it)", () => {
  const run = promisify(execFile);
  const script = async (code: string, env: Record<string, string> = {}) => {
    const { stdout } = await run(python, ['-c', `from huggingface_hub import *\n${code}`], {
      env: { ...process.env, HF_HUB_DISABLE_XET: '1', HF_HUB_DISABLE_TELEMETRY: '1', ...env },
    });
    return stdout.trim();
  };

  it('a model that Python fetched is found, without the hub and with it', async () => {
    here.hub.publish(NAME, model);
    const folder = await script(`print(snapshot_download("${NAME}"))`);
    expect(folder).toContain(cache('snapshots'));
    const asked = fetches();
    expect(await embedding()).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(await golden());
    expect(fetches()).toBe(asked);
  });

  it('a model that was fetched here is found by Python, which sees a sound cache', async () => {
    const commit = here.hub.publish(NAME, model);
    await embedding();
    const offline = { HF_HUB_OFFLINE: '1' };
    expect(await script(`print(hf_hub_download("${NAME}", "${WEIGHTS}"))`, offline)).toBe(
      cache('snapshots', commit, WEIGHTS),
    );
    expect(await script(`print(snapshot_download("${NAME}"))`, offline)).toBe(cache('snapshots', commit));
    const scan =
      'i = scan_cache_dir()\nprint(len(i.warnings), [(r.repo_id, r.nb_files, [list(v.refs) for v in r.revisions]) for r in i.repos])';
    expect(await script(scan)).toBe(`0 [('${NAME}', 2, [['main']])]`);
    const asked = fetches();
    await script(`print(hf_hub_download("${NAME}", "${WEIGHTS}"))`);
    expect(fetches(), 'with the hub up, Python fetches nothing again').toBe(asked);
  });

  it('passes over the parts for one tower, and finds the file when the other has come', async () => {
    const usual = { ...PARTS };
    Object.assign(PARTS, { block: 64 << 10, least: 1 << 20 });
    try {
      const commit = here.hub.publish(NAME, model);
      await embedding();
      expect(existsSync(cache('.edgeclip', `${sha256(weights)}.parts`))).toBe(true);
      expect(await script('print(len(scan_cache_dir().warnings))')).toBe('0');
      (await loadClip(NAME)).dispose();
      const found = await script(`print(hf_hub_download("${NAME}", "${WEIGHTS}"))`, { HF_HUB_OFFLINE: '1' });
      expect(found).toBe(cache('snapshots', commit, WEIGHTS));
      expect(sha256(readFileSync(found))).toBe(sha256(weights));
    } finally {
      Object.assign(PARTS, usual);
    }
  });

  it('both at once: one cache, sound for both', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 200_000, ms: 10 };
    const both = [script(`print(snapshot_download("${NAME}"))`), embedding()] as const;
    const [, vector] = await Promise.all(both);
    expect(vector).toEqual(await golden());
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(vector);
    expect(await script('print(len(scan_cache_dir().warnings))')).toBe('0');
  });
});

describe('without the hub', () => {
  it('loads what is there: by the option, by the variable, and when the hub does not answer', async () => {
    here.hub.publish(NAME, model);
    const expected = await embedding();
    here.hub.asked.length = 0;
    expect(await embedding(NAME, { localFilesOnly: true })).toEqual(expected);
    process.env.HF_HUB_OFFLINE = '1';
    expect(await embedding()).toEqual(expected);
    expect(here.hub.asked).toEqual([]);
    delete process.env.HF_HUB_OFFLINE;
    for (const status of [401, 403, 429, 500]) {
      here.hub.intercept = (_, response) => !!response.writeHead(status).end();
      expect(await embedding()).toEqual(expected);
    }
    await here.hub.stop();
    expect(await embedding()).toEqual(expected);
  });

  it('says where it looked if the model, or a part of it, is not there', async () => {
    const missing = await rejection(embedding(NAME, { localFilesOnly: true }));
    expect(missing).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(missing.message).toBe(`"${NAME}" is not in the cache "${join(here.top, 'home', 'hub')}", and nothing may be fetched (localFilesOnly, HF_HUB_OFFLINE)`); // biome-ignore format: one line
    const commit = here.hub.publish(NAME, model);
    await embedding();
    rmSync(cache('snapshots', commit, WEIGHTS));
    const part = await rejection(embedding(NAME, { localFilesOnly: true }));
    expect(part.message).toContain(`${WEIGHTS} is not in the cache; only the cache was looked at, "${cache('snapshots', commit)}"`); // biome-ignore format: one line
  });
});

describe('R19: a read-only cache', () => {
  const all = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? [...all(path), path] : lstatSync(path).isSymbolicLink() ? [] : [path];
    });

  /** As another user if this one may write everywhere. */
  const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const load = (options: object) =>
    promisify(execFile)(process.execPath, [...TSX, NAME, JSON.stringify(options)], {
      ...asNobody,
      env: { ...process.env, HOME: here.top, TMPDIR: join(here.top, 'tmp') },
    });

  it('loads with the hub up and without; a write that is needed fails with its path', async () => {
    here.hub.publish(NAME, model);
    const expected = [...(await embedding())];
    mkdirSync(join(here.top, 'tmp'));
    chmodSync(join(here.top, 'tmp'), 0o777);
    chmodSync(here.top, 0o755);
    const paths = [...all(join(here.top, 'home')), join(here.top, 'home')];
    for (const path of paths) chmodSync(path, statSync(path).isDirectory() ? 0o555 : 0o444);
    try {
      for (const options of [{}, { localFilesOnly: true }])
        expect(JSON.parse((await load(options)).stdout)).toEqual(expected);
      here.hub.publish(NAME, { ...model, 'open_clip_config.json': ' ' });
      const { stderr } = (await rejection(load({}))) as Error & { stderr: string };
      expect(stderr).toContain(`ClipError: cannot write "${join(here.top, 'home')}`);
      expect(stderr).toContain('permission denied');
    } finally {
      for (const path of paths) chmodSync(path, 0o755);
    }
  });
});

describe('R28 b: a damaged file in the cache', () => {
  it('of the right length is found and fetched anew', async () => {
    const commit = here.hub.publish(NAME, model);
    const expected = await embedding();
    const blob = cache('blobs', sha256(weights));
    writeFileSync(blob, weights.slice().fill(0, weights.length / 2));
    const offline = await rejection(embedding(NAME, { localFilesOnly: true }));
    expect(offline.message).toContain(
      `the cached file "${cache('snapshots', commit, WEIGHTS)}" is damaged: its SHA-256 is`,
    );
    expect(await embedding()).toEqual(expected);
    expect(sha256(readFileSync(blob))).toBe(sha256(weights));
  });

  it('is found in what Python left, and among small files', async () => {
    here.hub.publish(NAME, model);
    const expected = await embedding();
    rmSync(cache('.edgeclip'), { recursive: true });
    for (const name of readdirSync(cache('blobs'))) writeFileSync(cache('blobs', name), Buffer.alloc(statSync(cache('blobs', name)).size)); // biome-ignore format: one line
    expect(await embedding()).toEqual(expected);
  });

  it('a link that leads nowhere is not a file', async () => {
    const commit = here.hub.publish(NAME, model);
    const expected = await embedding();
    rmSync(cache('blobs', sha256(weights)));
    expect(await embedding()).toEqual(expected);
    rmSync(cache('snapshots', commit, WEIGHTS));
    symlinkSync(WEIGHTS, cache('snapshots', commit, WEIGHTS));
    expect(await embedding()).toEqual(expected);
  });
});

describe('several processes', () => {
  it('that load the same model at once fetch it once', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 500_000, ms: 50 };
    const expected = [...(await golden())];
    const all = await Promise.all([other(), other(), embedding().then((one) => [...one])]);
    for (const vector of all) expect(vector).toEqual(expected);
    expect(fetches()).toBe(1);
  });

  it('R28 c: one that was killed leaves what the next continues, and its lock is not waited for', async () => {
    here.hub.publish(NAME, model);
    here.hub.slow = { bytes: 100_000, ms: 200 };
    const child = spawn(process.execPath, [...TSX, NAME], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const partial = cache('blobs', `${sha256(weights)}.edgeclip.incomplete`);
    await expect.poll(() => (existsSync(partial) ? statSync(partial).size : 0)).toBeGreaterThan(200_000);
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(cache('blobs', `${sha256(weights)}.edgeclip.lock`))).toBe(true);
    here.hub.slow = undefined;
    const length = statSync(partial).size;
    expect(await embedding()).toEqual(await golden());
    expect(here.hub.asked.findLast(({ at }) => at === 'files')!.range).toBe(`bytes=${length}-`);
    expect(readdirSync(cache('blobs')).filter((name) => name.includes('edgeclip'))).toEqual([]);
  });
});

it('a lock whose process ended before it wrote its name is not waited for', async () => {
  here.hub.publish(NAME, model);
  const lock = cache('blobs', `${sha256(weights)}.edgeclip.lock`);
  mkdirSync(dirname(lock), { recursive: true });
  writeFileSync(lock, '');
  const before = new Date(Date.now() - 2000);
  utimesSync(lock, before, before);
  const signal = AbortSignal.timeout(15_000); // half of what a lock of another machine has
  expect(await embedding(NAME, { signal })).toEqual(await golden());
  expect(existsSync(lock)).toBe(false);
});

/** Whether this process may mount a small disk: as root, or in a namespace of its own. */
const canMount = (() => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe('a full disk', () => {
  it.skipIf(!canMount)('is named with the path, nothing unsound stays, and with more space it goes on', async () => {
    const { 'model.safetensors': large, ...rest } = readFolder('tiny-vit-hf');
    here.hub.publish(NAME, { ...rest, 'model.safetensors': large! });
    const disk = join(here.top, 'disk');
    const kept = join(here.top, 'kept');
    mkdirSync(disk);
    const load = [process.execPath, ...TSX, NAME, JSON.stringify({ cacheDir: disk })]
      .map((word) => `'${word}'`)
      .join(' ');
    const line = `mount -t tmpfs -o size=1m none '${disk}'; ${load}; cp -r '${disk}' '${kept}'`;
    const { stderr } = await promisify(execFile)('unshare', ['-rm', 'bash', '-c', line], {
      env: { ...process.env, TMPDIR: here.top },
    });
    expect(stderr).toMatch(/ClipError: cannot write ".*\.incomplete": no space is left on the device/);
    cpSync(kept, disk, { recursive: true, verbatimSymlinks: true });
    expect(await embedding(NAME, { cacheDir: disk })).toEqual(await embedding(NAME));
    expect(here.hub.asked.filter(({ at }) => at === 'files')[1]!.range).toMatch(/^bytes=\d+-$/);
  });

  it.skipIf(process.platform === 'win32')(
    'or a limit of the user, which needs no right to mount: the same',
    async () => {
      here.hub.publish(NAME, model);
      const kilobytes = weights.length >> 11;
      const line = `ulimit -f ${kilobytes}; exec "$@"`;
      const load = promisify(execFile)('bash', ['-c', line, 'bash', process.execPath, ...TSX, NAME]);
      const { stderr } = (await rejection(load)) as Error & { stderr: string };
      expect(stderr).toMatch(
        /ClipError: cannot write ".*\.edgeclip\.incomplete": the file would be larger than is allowed/,
      );
      const [partial, ...others] = readdirSync(cache('blobs')).filter((name) => name.startsWith(sha256(weights)));
      expect(others).toEqual([]);
      expect(statSync(cache('blobs', partial!)).size).toBe(kilobytes << 10);
      expect(await embedding()).toEqual(await golden());
      expect(here.hub.asked.findLast(({ at }) => at === 'files')!.range).toBe(`bytes=${kilobytes << 10}-`);
    },
  );
});
