import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { Postgres } from '../../src/search/postgres.ts';
import { postgresAddress } from '../../src/search/postgres-address.ts';
import { migrate } from '../../src/search/postgres-schema.ts';
import { create, D, MODEL, names, photo, photoStoreBehaves, random } from '../search/photo-store.ts';
import { photoWriter } from '../search/photo-writer.ts';
import { PASSWORD, PostgresServer } from './server.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server?.remove());

let made = 0;
const newAddress = () => server.address('postgres', `i${made++}`);
const schema = (address: string) => postgresAddress(address).schema;

/** What it fails with, in which the password is nowhere. */
async function failure(work: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await work().then(
    () => undefined,
    (error) => error,
  );
  expect(error).toBeInstanceOf(Error);
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) {
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(secret);
  }
  return error;
}

describe('in PostgreSQL', () => photoStoreBehaves(newAddress));

it('has several indexes in one database, each for itself', async () => {
  const addresses = [server.address(), server.address('postgres', 'holiday'), server.address('postgres', 'work_2')];
  const stores = await Promise.all(addresses.map((address) => openPhotos(address, { create })));
  for (const [i, store] of stores.entries()) await store.change({ add: [photo(`${i}`)] });
  for (const [i, store] of stores.entries()) expect(await names(store)).toEqual([`${i}`]);
  expect(stores.map(({ name }) => name.replace(/:\d+/, ''))).toEqual([
    'postgres://edgeclip@127.0.0.1/postgres',
    'postgres://edgeclip@127.0.0.1/postgres?index=holiday',
    'postgres://edgeclip@127.0.0.1/postgres?index=work_2',
  ]);
  for (const store of stores) await store.close();
  await server.query('DROP SCHEMA edgeclip CASCADE');
});

it('is reached by a Unix socket', async () => {
  const place = `host=${encodeURIComponent(server.folder)}&port=${server.port}&password=${encodeURIComponent(PASSWORD)}`;
  const store = await openPhotos(`postgresql:///postgres?user=edgeclip&${place}&index=socket`, { create });
  expect([store.name, await store.count()]).toEqual(['postgresql:///postgres?index=socket', 0]);
  await store.close();
});

it('finds pgvector in whatever schema it is', async () => {
  await server.query('CREATE DATABASE elsewhere');
  await server.query('CREATE SCHEMA parts; CREATE EXTENSION vector SCHEMA parts', 'elsewhere');
  const store = await openPhotos(server.address('elsewhere'), { create });
  const [one, two] = [photo('1'), photo('2')];
  await store.change({ add: [one, two] });
  for (const approximate of [false, true]) {
    expect((await store.search(two.vector, 1, { approximate }))[0]).toMatchObject({ path: '/photos/2' });
  }
  await store.close();
});

describe('searches by HNSW', () => {
  const dimension = 32;
  const wide = { ...create, dimension };
  let store: PhotoStore;
  let scans = 0;
  const approximate = (query: Float32Array) => {
    scans++;
    return store.search(query, 10, { approximate: true });
  };
  beforeAll(async () => {
    // For so few rows PostgreSQL would rather read them all.
    await server.query('ALTER ROLE edgeclip SET enable_seqscan = off');
    store = await openPhotos(newAddress(), { create: wide });
    const add = Array.from({ length: 3000 }, (_, i) => photo(`${i}`, random.floats(dimension)));
    await store.change({ add });
    await server.query('VACUUM ANALYZE');
  });
  afterAll(async () => {
    await store.close();
    await server.query('ALTER ROLE edgeclip RESET enable_seqscan');
  });

  it('where that is allowed, with exact similarities', async () => {
    let same = 0;
    for (let i = 0; i < 20; i++) {
      const query = random.floats(dimension);
      const exact = await store.search(query, 100);
      const found = await approximate(query);
      expect(found).toHaveLength(10);
      const similarities = new Map(exact.map(({ id, similarity }) => [id, similarity]));
      for (const { id, similarity } of found) expect(similarity).toBe(similarities.get(id));
      const best = new Set(exact.slice(0, 10).map(({ id }) => id));
      same += found.filter(({ id }) => best.has(id)).length;
    }
    expect(same).toBeGreaterThan(180); // of 200
  });

  it('by its own index, which the exact search does not use', async () => {
    const sql = `SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = '${schema(store.name)}' AND indexrelname = 'vectors_hnsw'`;
    const uses = async () => Number((await server.query(sql))[0]!.idx_scan);
    await store.search(random.floats(dimension), 10);
    await approximate(random.floats(dimension));
    await expect.poll(uses).toBe(scans); // connections say it a second later
  });

  it('exactly where a filter leaves too few, or more are wanted than it gives', async () => {
    const query = random.floats(dimension);
    const filter = (id: number) => id % 100 === 0;
    for (const [k, options] of [
      [20, { filter }],
      [1500, {}],
    ] as const) {
      const exact = await store.search(query, k, options);
      expect(await store.search(query, k, { ...options, approximate: true })).toEqual(exact);
      expect(exact).toHaveLength(k);
    }
  });
});

describe('has one writer', () => {
  it('and says who it is', async () => {
    const address = newAddress();
    const writer = await openPhotos(address, { create });
    const error = await failure(() => openPhotos(address, { create }));
    expect(error).toMatchObject({ code: 'IO' });
    expect(error.message).toMatch(
      new RegExp(`another process is writing it: edgeclip, process ${process.pid} on 127.0.0.1, since 20\\d\\d-.* UTC`),
    );
    const reader = await openPhotos(address, { readOnly: true }); // readers may
    await writer.change({ add: [photo('a')] });
    expect(await names(reader)).toEqual(['a']);
    await Promise.all([reader.close(), writer.close()]);
    await (await openPhotos(address)).close();
  });

  it('whose lock goes with it when it is killed, and what it had stored stays', async () => {
    const address = newAddress();
    await (await openPhotos(address, { create })).close();
    const folder = mkdtempSync(join(tmpdir(), 'edgeclip-writer-'));
    const program = join(folder, 'writer.mjs');
    writeFileSync(program, photoWriter(address, D));
    for (let round = 0; round < 5; round++) {
      let last = -1;
      let printed = '';
      const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe'] });
      child.stderr.on('data', (chunk) => (printed += chunk));
      child.stdout.on('data', (chunk) => {
        last = Number(`${chunk}`.trim().split('\n').at(-1));
        if (last % 10 > random.integer(0, 9)) setTimeout(() => child.kill('SIGKILL'), random.integer(0, 5));
      });
      await once(child, 'close');
      expect(printed).toBe('');
      const store = await openPhotos(address); // to write, at once
      const paths = await names(store);
      expect(paths.length).toBeGreaterThanOrEqual(2 * (last + 1));
      expect(paths).toEqual(Array.from({ length: paths.length }, (_, i) => `${i}`));
      expect(paths.length % 2).toBe(0); // all of a change or nothing
      const vectors = await server.query(`SELECT count(*) AS n FROM ${schema(address)}.vectors`);
      expect(Number(vectors[0]!.n)).toBe(paths.length);
      await store.close();
    }
    rmSync(folder, { recursive: true });
  });
});

describe('migrates', () => {
  const step = (sql: string) => [() => FIRST, () => sql];
  const FIRST = `CREATE TABLE $schema.about (key text PRIMARY KEY, value text NOT NULL)`;
  const at = async <T>(address: string, work: Parameters<Postgres['with']>[0]): Promise<T> => {
    const database = await Postgres.at(postgresAddress(address));
    return (database.with(work) as Promise<T>).finally(() => database.close());
  };
  const version = async (address: string) =>
    (await server.query(`SELECT value FROM ${schema(address)}.about WHERE key = 'version'`))[0]?.value;

  it('from version to version', async () => {
    const address = newAddress();
    await at(address, (session) => migrate(session, 'x', create, [() => FIRST]));
    expect(await version(address)).toBe('1');
    await at(address, (session) => migrate(session, 'x', undefined, step('CREATE TABLE $schema.more (x int)')));
    expect(await version(address)).toBe('2');
    await server.query(`SELECT x FROM ${schema(address)}.more`);
  });

  it('all the way or not at all', async () => {
    const address = newAddress();
    await at(address, (session) => migrate(session, 'x', create, [() => FIRST]));
    const half = step('CREATE TABLE $schema.half (x int); SELECT pg_terminate_backend(pg_backend_pid())');
    expect(await failure(() => at(address, (session) => migrate(session, 'x', create, half)))).toMatchObject({
      code: 'IO',
    });
    expect(await version(address)).toBe('1');
    expect((await server.query(`SELECT to_regclass('${schema(address)}.half') AS half`))[0]!.half).toBeNull();
    const fresh = newAddress();
    await failure(() => at(fresh, (session) => migrate(session, 'x', create, half)));
    expect((await server.query(`SELECT to_regnamespace('${schema(fresh)}') AS is`))[0]!.is).toBeNull();
  });

  it('once, when several processes start at once', async () => {
    await server.query('CREATE DATABASE fresh'); // without the extension, which all of them would make
    const readers = Array.from({ length: 6 }, (_, i) => server.address('fresh', `i${i % 2}`));
    await Promise.all(readers.map((address) => at(address, (session) => migrate(session, 'x', create))));
    for (const address of readers.slice(0, 2)) {
      const store = await openPhotos(address, { create });
      await store.change({ add: [photo('a')] });
      await store.close();
    }
  });

  it('not from a later version, nor into tables of another program', async () => {
    const address = newAddress();
    await (await openPhotos(address, { create })).close();
    await server.query(`UPDATE ${schema(address)}.about SET value = '99' WHERE key = 'version'`);
    const error = await failure(() => openPhotos(address, { create }));
    expect(error).toMatchObject({
      code: 'INDEX_FORMAT',
      message: expect.stringMatching(/version 99: a later edgeclip/),
    });
    const foreign = newAddress();
    await server.query(`CREATE SCHEMA ${schema(foreign)}; CREATE TABLE ${schema(foreign)}.songs (title text)`);
    expect(await failure(() => openPhotos(foreign, { create }))).toMatchObject({
      code: 'INDEX_FORMAT',
      message: expect.stringMatching(/another program/),
    });
  });
});

describe('says what is wrong', () => {
  const wrong = (change: (url: URL) => void) => {
    const url = new URL(server.address());
    change(url);
    return url.href;
  };

  it.each<[string, () => string, RegExp]>([
    ['a wrong password', () => server.address('postgres', undefined, 'wrong'), /refuses the user or the password/],
    ['no such user', () => wrong((url) => (url.username = 'nobody')), /refuses the user or the password/],
    ['no such database', () => server.address('nowhere'), /database "nowhere" does not exist/],
    ['no server', () => wrong((url) => (url.port = '1')), /no server answers there/],
    ['no such host', () => wrong((url) => (url.hostname = 'host.invalid')), /no such host/],
    ['no such socket', () => 'postgres:///postgres?host=/nowhere', /no such socket/],
    ['no such port', () => server.address().replace(`:${server.port}`, ':70000'), /not an address of PostgreSQL/],
    ['a password that is cut off', () => `postgres://me:1?${PASSWORD}@localhost/x`, /not an address of PostgreSQL/],
    ['a name that is none', () => server.address('postgres', 'A-b'), /"A-b"/],
  ])('%s', async (_, address, message) => {
    expect(await failure(() => openPhotos(address(), { create }))).toMatchObject({
      code: 'IO',
      message: expect.stringMatching(message),
    });
  });

  it('a server without pgvector', async () => {
    const files = join(server.programs, 'share/postgresql/extension');
    await server.query('CREATE DATABASE bare');
    renameSync(join(files, 'vector.control'), join(files, 'vector.away'));
    const error = await failure(() => openPhotos(server.address('bare'), { create }));
    renameSync(join(files, 'vector.away'), join(files, 'vector.control'));
    expect(error).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringMatching(/the server has no pgvector/) });
  });

  it('a user who may not make the index', async () => {
    await server.query(`CREATE DATABASE theirs`);
    await server.query(`CREATE ROLE guest LOGIN PASSWORD 'guest'`);
    const address = wrong((url) => {
      url.username = url.password = 'guest';
      url.pathname = '/theirs';
    });
    const make = () => openPhotos(address, { create });
    expect((await failure(make)).message).toMatch(/an administrator has to run CREATE EXTENSION vector in/);
    await server.query('CREATE EXTENSION vector', 'theirs');
    const error = await failure(make);
    const sql = /has to run (CREATE SCHEMA edgeclip AUTHORIZATION guest) in/.exec(error.message)![1]!;
    await server.query(sql, 'theirs');
    const store = await make();
    await store.change({ add: [photo('a')] });
    await store.close();
    // Who may read may search.
    await server.query(
      `CREATE ROLE looker LOGIN PASSWORD 'looker'; GRANT USAGE ON SCHEMA edgeclip TO looker;
       GRANT SELECT ON ALL TABLES IN SCHEMA edgeclip TO looker`,
      'theirs',
    );
    const reader = await openPhotos(address.replaceAll('guest', 'looker'), { readOnly: true });
    expect(await reader.search(random.floats(D), 1)).toHaveLength(1);
    await reader.close();
  });

  it('a damaged vector, and a table that is gone', async () => {
    const address = newAddress();
    const store = await openPhotos(address, { create });
    await store.change({ add: ['a', 'b', 'c'].map((name) => photo(name)) });
    const tables = `${schema(address)}`;
    await server.query(`UPDATE ${tables}.vectors SET vector = vector + vector WHERE id = 2`);
    await server.query(`DELETE FROM ${tables}.vectors WHERE id = 3`);
    expect((await store.damaged()).map(({ id }) => id)).toEqual([2, 3]);
    for (const work of [() => store.vector(2), () => store.search(random.floats(D), 3)]) {
      expect(await failure(work)).toMatchObject({
        code: 'INDEX_FORMAT',
        message: expect.stringMatching(/photo 2 is not/),
      });
    }
    await server.query(`DROP TABLE ${tables}.failures`);
    expect(await failure(() => store.failures())).toMatchObject({ code: 'INDEX_FORMAT' });
    expect(await failure(() => store.change({ forget: ['/a'] }))).toMatchObject({ code: 'INDEX_FORMAT' });
    expect(await names(store)).toEqual(['a', 'b', 'c']); // and it goes on
    await store.change({ move: [] });
    await store.close();
  });

  it('a server that takes connections and says nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const address = `postgres://a:b@127.0.0.1:${port}/c?connect_timeout=0.5`;
    expect(await failure(() => openPhotos(address))).toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/does not answer/),
    });
    silent.close();
  });
});

describe('when the server', () => {
  const later = (error: { code: string; message: string }, message: RegExp) => {
    expect(error.message).toMatch(message);
    expect(error.code).toBe('IO');
  };

  it.each(['fast', 'immediate'] as const)('ends (%s), fails and is there again when the server is', async (how) => {
    const address = newAddress();
    const writer = await openPhotos(address, { create });
    const reader = await openPhotos(address, { readOnly: true });
    let stored = 0;
    const writing = failure(async () => {
      for (;;) {
        await writer.change({ add: [photo(`${stored}`)] });
        stored++;
      }
    });
    const searching = failure(async () => {
      for (;;) await reader.search(random.floats(D), 2);
    });
    await expect.poll(() => stored).toBeGreaterThan(3);
    await server.stop(how);
    const met = [await writing, await searching, await failure(() => reader.count())];
    await server.run();
    // The end itself, a server that lets nobody in while it ends, or none: it depends on the moment.
    for (const error of met) later(error, /shut down|shutting down|crashed|ended the connection|no server/);
    expect(await reader.count()).toBeGreaterThanOrEqual(stored); // readers go on
    later(await failure(() => writer.change({ add: [photo('x')] })), /open it again/); // its lock is gone
    await writer.close();
    const again = await openPhotos(address);
    await again.change({ add: [photo('y')] });
    expect(await names(reader)).toEqual(await names(again));
    await Promise.all([again.close(), reader.close()]);
  });

  it('stands still, gives up after a time', async () => {
    const address = newAddress();
    await (await openPhotos(address, { create })).close();
    const hasty = `${address}&query_timeout=3000`;
    const [writer, reader] = [await openPhotos(hasty), await openPhotos(hasty, { readOnly: true })];
    const controller = new AbortController();
    const patient = await openPhotos(address, { readOnly: true });
    server.signal('SIGSTOP');
    try {
      const writing = failure(() => writer.change({ add: [photo('a')] }));
      later(await failure(() => reader.search(random.floats(D), 1)), /does not answer/);
      later(await writing, /does not answer/);
      const searching = patient.search(random.floats(D), 1, { signal: controller.signal });
      setTimeout(() => controller.abort(new Error('enough')), 50);
      await expect(searching).rejects.toThrow('enough');
    } finally {
      server.signal('SIGCONT');
    }
    later(await failure(() => writer.change({ add: [photo('a')] })), /open it again/);
    expect(await patient.search(random.floats(D), 1)).toEqual([]);
    await Promise.all([writer.close(), reader.close(), patient.close()]);
  });
});

it('asks for its packages by name', async () => {
  const { postgresPackages } = await import('../../src/platform/node-packages.ts');
  vi.doMock('pg', () => {
    throw new Error('not here');
  });
  try {
    expect(await failure(postgresPackages)).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/npm install pg pg-copy-streams/),
    });
  } finally {
    vi.doUnmock('pg');
  }
});

it('checks the model of readers', async () => {
  const address = newAddress();
  await (await openPhotos(address, { create })).close();
  const store = await openPhotos(address, { readOnly: true });
  expect(() => store.checkModel({ ...MODEL, fingerprint: 'ffffffff' })).toThrow(/0123abcd.*ffffffff/);
  store.checkModel(MODEL);
  await store.close();
});
