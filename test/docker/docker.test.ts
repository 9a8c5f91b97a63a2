/** The Dockerfile and the Compose file, as far as they can be tried where no container runs. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { edgeclip, projectPath } from '../cli/command.ts';

const MAIN = join(projectPath, 'dist/cli/main.js');
const PYTHON = process.env.EDGECLIP_PYTHON ?? join(projectPath, 'build/python/bin/python');
const read = (path: string) => readFileSync(join(projectPath, path), 'utf8');

/** The instructions of a Dockerfile, without comments, each on one line. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => /^(\w+) (.*)$/.exec(line)!.slice(1) as [string, string]);
const all = (name: string) => instructions.flatMap(([one, value]) => (one === name ? [value] : []));

const temporary = mkdtempSync(join(tmpdir(), 'edgeclip-docker-'));
const running: ChildProcess[] = [];
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(temporary, { recursive: true, force: true });
});

/** Fails if a command of the package is given an option that it does not have. */
async function checkCommand([name, ...args]: readonly string[]): Promise<void> {
  const { code, stdout } = await edgeclip([name!, '--help']);
  expect(code).toBe(0);
  const options = args.filter((arg) => arg.startsWith('--'));
  expect(options.length).toBeGreaterThan(0);
  for (const option of options) expect(stdout).toMatch(new RegExp(`^ +(?:-\\w, )?${option} `, 'm'));
}

describe('the Dockerfile', () => {
  it('has nothing that hadolint warns of', () => {
    const hadolint = join(dirname(PYTHON), 'hadolint');
    expect(execFileSync(hadolint, ['--no-color', join(projectPath, 'Dockerfile')], { encoding: 'utf8' })).toBe('');
  });

  it('builds the package from what .dockerignore leaves', async () => {
    const ignored = read('.dockerignore').trim().split('\n');
    const top = new Set(ignored.filter((line) => !line.includes('*')));
    const folder = join(temporary, 'build');
    cpSync(projectPath, folder, {
      recursive: true,
      filter: (path) => {
        const [first = '', ...rest] = relative(projectPath, path).split('/');
        return !(top.has(first) || [first, ...rest].includes('node_modules') || first.endsWith('.tgz'));
      },
    });
    expect(all('COPY')).toContain('. .');
    symlinkSync(join(projectPath, 'node_modules'), join(folder, 'node_modules')); // for npm ci
    const [install, build] = all('RUN');
    expect(install).toMatch(/^npm ci --ignore-scripts/);
    execFileSync('sh', ['-c', build!], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const [packed] = readdirSync(join(folder, 'packed'));
    expect(packed).toMatch(/^edgeclip-.*\.tgz$/);
    const files = execFileSync('tar', ['-tzf', join(folder, 'packed', packed!)], { encoding: 'utf8' }).split('\n');
    const [entry] = all('ENTRYPOINT').map((value) => JSON.parse(value) as string[]);
    expect(entry![0]).toBe('node');
    expect(files).toContain(entry![1]!.replace('/app/node_modules/edgeclip/', 'package/'));
    expect(files).toContain('package/weights/default/image.bin');
  }, 600_000);

  it('installs the optional packages that the errors name, in the versions that the package takes', () => {
    const { peerDependencies } = JSON.parse(read('package.json'));
    const [, , install] = all('RUN');
    const names = ['pg', 'pg-copy-streams', 'prom-client', 'aws4fetch', 'bullmq', 'hyparquet', 'hyparquet-writer', 'ioredis', 'modern-tar']; // biome-ignore format: one line
    for (const name of names) {
      const version = /(?:0\.)?\d+(?!.*\|\|)/.exec(peerDependencies[name])![0]; // the last one that it takes
      expect(install!.split(' ')).toContain(`${name}@${version}`);
    }
  });

  it('runs the server as a user who is not root, with options that there are', async () => {
    expect(all('USER')).toEqual(['1000:1000']);
    const users = instructions.findIndex(([name]) => name === 'USER');
    expect(instructions.slice(users).some(([name]) => name === 'RUN' || name === 'COPY')).toBe(false);
    await checkCommand(JSON.parse(all('CMD')[0]!));
  });

  it('tells whether the server is well', async () => {
    const [check] = all('HEALTHCHECK');
    const command = JSON.parse(/CMD (\[.*\])$/.exec(check!)![1]!) as string[];
    const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    const ended = once(child, 'close');
    let log = '';
    const port = await new Promise<string>((done, reject) => {
      child.stdout.on('data', (chunk) => {
        log += chunk;
        const said = /"message":"listening".*"port":(\d+)/.exec(log);
        if (said) done(said[1]!);
      });
      ended.then(() => reject(new Error(`it ended: ${log}`)));
    });
    const health = async () => {
      const args = command.slice(1).map((arg) => arg.replace(':3000/', `:${port}/`));
      return (await once(spawn(process.execPath, args, { stdio: 'ignore' }), 'close'))[0];
    };
    expect(all('EXPOSE')).toEqual(['3000']);
    expect(await health()).toBe(0);
    child.kill('SIGTERM');
    await ended;
    expect(await health()).toBe(1);
  });
});

describe('the Compose file', () => {
  interface Service {
    readonly image: string;
    readonly build?: string;
    readonly command?: string[];
    readonly environment: Record<string, string>;
    readonly volumes: string[];
    readonly ports?: string[];
    readonly healthcheck?: { readonly test?: string[]; readonly disable?: boolean };
    readonly depends_on?: Record<string, { readonly condition: string }>;
  }
  const folder = join(projectPath, 'examples/compose');
  const text = read('examples/compose/compose.yaml');
  const { services, volumes } = parse(text, { strict: true, uniqueKeys: true }) as {
    readonly services: Record<string, Service>;
    readonly volumes: Record<string, null>;
  };

  it('is what the Compose specification allows', () => {
    const check = (path: string) => {
      const args = ['--builtin-schema', 'vendor.compose-spec', path];
      return spawnSync(join(dirname(PYTHON), 'check-jsonschema'), args, { encoding: 'utf8' });
    };
    expect(check(join(folder, 'compose.yaml'))).toMatchObject({ status: 0, stderr: '' });
    const misspelled = join(temporary, 'compose.yaml');
    writeFileSync(misspelled, text.replace('start_period', 'start-period'));
    expect(check(misspelled)).toMatchObject({ status: 1, stdout: expect.stringContaining('start-period') });
  });

  it('has a server, a database with pgvector, and the job that indexes', async () => {
    expect(Object.keys(services)).toEqual(['database', 'index', 'server']);
    const { database, index, server } = services as Record<string, Service> &
      Record<'database' | 'index' | 'server', Service>;
    expect(database.image).toMatch(/^pgvector\/pgvector:pg\d+$/);
    expect(database.healthcheck!.test).toContain('pg_isready');
    expect(resolve(folder, index.build!)).toBe(resolve(projectPath)); // where the Dockerfile is
    expect(server.image).toBe(index.image);
    for (const { command } of [index, server]) await checkCommand(command!);
    for (const { depends_on } of [index, server]) expect(depends_on!.database!.condition).toBe('service_healthy');
    const user = (address: string | undefined) => new URL(address!);
    for (const { command, environment } of [index, server]) {
      const { username, password, hostname, pathname } = user(command!.find((one) => one.startsWith('postgres:')));
      expect([username, password, hostname]).toEqual([database.environment.POSTGRES_USER, '', 'database']);
      expect(pathname).toBe(`/${database.environment.POSTGRES_DB}`);
      expect(environment.PGPASSWORD).toBe(`\${POSTGRES_PASSWORD}`);
    }
    expect(server.command).toContain('0.0.0.0'); // or nothing outside its container reaches it
  });

  it('keeps secrets in the environment, data in volumes, and is reached from this machine alone', () => {
    const variables = new Set(Array.from(text.matchAll(/\$\{(\w+)/g), ([, name]) => name));
    expect(variables).toEqual(new Set(['POSTGRES_PASSWORD', 'PHOTOS', 'EDGECLIP_API_KEY', 'PORT']));
    const readme = read('examples/compose/README.md');
    for (const name of variables) expect(readme).toContain(name);
    for (const secret of ['POSTGRES_PASSWORD', 'EDGECLIP_API_KEY']) expect(text).toContain(`\${${secret}:?`);
    for (const port of Object.values(services).flatMap(({ ports = [] }) => ports))
      expect(port).toMatch(/^127\.0\.0\.1:/);
    const named = Object.values(services).flatMap((service) => service.volumes.filter((one) => /^\w+:/.test(one)));
    expect(new Set(named.map((one) => one.split(':')[0]))).toEqual(new Set(Object.keys(volumes)));
    // The user of the image may write its volumes.
    const made = all('RUN')
      .find((line) => line.includes('--owner=node'))!
      .split(' ');
    for (const one of services.server!.volumes.filter((one) => /^\w+:/.test(one)))
      expect(made).toContain(one.split(':')[1]);
    // Where the index has its photos, the server finds them.
    const photos = (service: Service) => service.volumes.find((one) => one.endsWith(':ro'))!.replace(/:\?[^}]*/, '');
    expect(photos(services.server!)).toBe(photos(services.index!));
  });
});
