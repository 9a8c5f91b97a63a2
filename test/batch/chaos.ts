/**
 * A batch in a bucket under four workers while everything fails that can: a worker is killed, another is stopped for longer than
 * its lock and woken, a third loses the queue for a while, and the storage answers 500 to a tenth of the requests.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStorage } from '../../src/batch/open-storage.ts';
import { seeded } from '../../src/eval/seeded.ts';
import { smallPictures, writePictures } from './pictures.ts';
import { bucketAt, startQueue, startStorage, storageVariables } from './services.ts';
import { cuttableLine, unreliableStorage } from './trouble.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface ChaosOptions {
  readonly folder: string;
  readonly pictures: number;
  readonly shardSize: number;
  /** Seconds after which a silent worker has lost its shard. */
  readonly lock: number;
  readonly stopSeconds: number;
  readonly cutSeconds: number;
}

export interface ChaosResult {
  /** Files of the output, by name, and those of a quiet run on this machine without a queue. */
  readonly troubled: ReadonlyMap<string, Uint8Array>;
  readonly quiet: ReadonlyMap<string, Uint8Array>;
  readonly codes: readonly (number | null)[];
  readonly refused: number;
  readonly said: readonly string[];
  readonly status: string;
}

export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const { folder, pictures, shardSize, lock, stopSeconds, cutSeconds } = options;
  const storage = await startStorage(join(folder, 'storage'));
  const queue = await startQueue(join(folder, 'queue'));
  const bucket = bucketAt(storage.port);
  const troubled = await unreliableStorage(storage.port, 0.1, seeded(7));
  const line = await cuttableLine(queue.port);
  const workers: ChildProcess[] = [];
  try {
    for (const name of ['photos', 'vectors']) await bucket.put(name, new Uint8Array(0));
    for (const { name, bytes } of smallPictures(pictures)) await bucket.put(`photos/${name}`, bytes);
    writePictures(join(folder, 'photos'), pictures);
    const direct = `redis://127.0.0.1:${queue.port}`;
    const env = { ...process.env, ...storageVariables(troubled.port) };
    const run = async (...args: string[]) => {
      const child = spawn(process.execPath, [MAIN, ...args], { env, cwd: folder });
      let out = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (out += text));
      const [code] = await once(child, 'close');
      if (code !== 0) throw new Error(`${args.join(' ')}: ${out}`);
      return out;
    };
    const output = ['--output', 's3://vectors/run'];
    await run('batch', 'plan', 's3://photos', ...output, '--queue', direct, '--shard-size', String(shardSize));
    const said: string[] = [];
    const start = (url: string) => {
      const args = ['batch', 'work', ...output, '--queue', url, '--lock', String(lock), '--threads', '1'];
      const child = spawn(process.execPath, [MAIN, ...args], { env, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
      child.stderr!.on('data', (text) => said.push(`${workers.indexOf(child)}: ${text}`));
      workers.push(child);
      return child;
    };
    const [killed, stopped] = [start(direct), start(direct), start(`redis://127.0.0.1:${line.port}`), start(direct)];
    Object.assign(process.env, storageVariables(storage.port)); // of this process: what it looks at does not fail
    const vectors = await openStorage('s3://vectors/run');
    const names = async (prefix: string) => {
      const found: string[] = [];
      for await (const { name } of vectors.list(prefix)) found.push(name);
      return found;
    };
    await until(async () => (await names('part-')).length >= 2);
    killed!.kill('SIGKILL');
    stopped!.kill('SIGSTOP');
    line.cut();
    await wait(1000 * cutSeconds);
    line.mend();
    await wait(Math.max(0, 1000 * (stopSeconds - cutSeconds)));
    stopped!.kill('SIGCONT');
    const codes = await Promise.all(workers.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit').then(([code]) => code))); // biome-ignore format: one line
    const files = new Map<string, Uint8Array>();
    for (const name of await names('')) if (!name.startsWith('plan/')) files.set(name, (await vectors.read(name))!);
    const status = await run('batch', 'status', ...output, '--queue', direct);

    await run('batch', 'plan', 'photos', '--output', 'quiet', '--shard-size', String(shardSize));
    await run('batch', 'work', '--output', 'quiet', '--threads', '2');
    const quiet = new Map<string, Uint8Array>();
    for (const name of readdirSync(join(folder, 'quiet'))) {
      if (name !== 'plan') quiet.set(name, readFileSync(join(folder, 'quiet', name)));
    }
    return { troubled: files, quiet, codes, refused: troubled.refused(), said, status };
  } finally {
    for (const child of workers) if (child.exitCode === null) child.kill('SIGKILL');
    line.stop();
    troubled.stop();
    await queue.stop();
    await storage.stop();
  }
}

async function until(check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 600_000; !(await check()); await wait(200)) {
    if (Date.now() > end) throw new Error('nothing comes of it');
  }
}
