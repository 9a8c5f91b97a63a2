/**
 * `edgeclip embed --stream` under Spark and Ray, by the programs in examples/. Needs pyspark, ray and pyarrow in the Python that
 * `EDGECLIP_PYTHON` names, and Java, as .ci/run installs them.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/index.ts';
import { writePictures } from '../batch/pictures.ts';
import { python } from '../batch/services.ts';
import { projectPath, workFolder } from '../cli/command.ts';

const COUNT = 120;
const CAT = join(projectPath, 'test/golden/photos/cat.png');
const work = workFolder({});
const at = (name: string) => join(work.path, name);

interface Row {
  readonly key: string;
  readonly embedding: number[] | null;
  readonly error: string | null;
}

/** Odd names, addresses, a file that is cut short, and two that are not there. */
let keys: string[];
let base: string;
const embeddings = new Map<string, Float32Array>();
const server = createServer((request, answer) => {
  if (request.url === '/cat.png') answer.end(readFileSync(CAT));
  else answer.writeHead(404).end();
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writePictures(at('photos'), COUNT);
  const odd = at('größe "1" \\ 写真.png');
  writeFileSync(odd, readFileSync(CAT));
  const whole = readdirSync(at('photos'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.png'))
    .map((name) => at(join('photos', name)))
    .sort();
  keys = [odd, `${base}/cat.png`, ...whole, at('none.png'), `${base}/none.png`];
  writeFileSync(at('list.txt'), `${keys.slice(0, 50).join('\n')}\n\n${keys.slice(50).join('\n')}`);
  const clip = await loadClip({ towers: ['image'] });
  const pictures = [odd, CAT, ...whole].map((path) => new Uint8Array(readFileSync(path)));
  for await (const { index, embedding } of clip.encodeImages(pictures)) {
    if (embedding) embeddings.set(keys[index]!, embedding);
  }
  clip.dispose();
  expect(embeddings.size).toBe(COUNT + 1); // one of the small pictures is cut short
});
afterAll(() => {
  server.close();
  work.remove();
});

/** The command; its first process is killed after 20 answers. */
function dyingCommand(name: string): { readonly command: string; readonly mark: string } {
  const mark = at(`${name}-died`);
  const program = join(dirname(work.path), `${name}.sh`); // in a folder whose name a command line takes
  const main = `"${process.execPath}" "${join(projectPath, 'dist/cli/main.js')}" "$@"`;
  const dying = `${main} | head -n 20; kill -9 $$`;
  writeFileSync(program, `#!/bin/bash\nif mkdir '${mark}' 2> /dev/null; then ${dying}; fi\nexec ${main}\n`, { mode: 0o755 }); // biome-ignore format: one line
  return { command: `${program} embed --stream --threads 1`, mark };
}

const run = async (program: string, args: string[], env: Record<string, string>) => {
  const options = { cwd: work.path, env: { ...process.env, ...env }, timeout: 500_000, maxBuffer: 1 << 26 };
  const { stdout } = await promisify(execFile)(
    resolve(python),
    [join(projectPath, 'examples', program), ...args],
    options,
  );
  return stdout;
};

/** The rows of a folder of Parquet files, and the type of the vectors. */
function rowsOf(folder: string): { readonly type: string; readonly rows: Row[] } {
  const script = `import json, sys, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
print(json.dumps({"type": str(table.schema.field("embedding").type), "rows": table.to_pylist()}))`;
  return JSON.parse(execFileSync(python, ['-c', script, at(folder)], { encoding: 'utf8', maxBuffer: 1 << 28 }));
}

/** Every key once, with the bits of this process or with its reason. */
function check(folder: string): void {
  const { type, rows } = rowsOf(folder);
  expect(type).toMatch(/^list<\w+: float( not null)?>$/);
  expect(rows.map(({ key }) => key).sort()).toEqual([...keys].sort());
  for (const { key, embedding, error } of rows) {
    const expected = embeddings.get(key);
    expect(embedding && Float32Array.from(embedding), key).toEqual(expected ?? null);
    if (expected) expect(error).toBeNull();
    else expect(error).not.toBe('');
  }
  const reasons = new Map(rows.map(({ key, error }) => [key, error]));
  expect(reasons.get(at('none.png'))).toMatch(/no such file/i);
  expect(reasons.get(`${base}/none.png`)).toMatch(/404/);
}

it('Spark: rdd.pipe gives every picture a row, though a process is killed', async () => {
  const { command, mark } = dyingCommand('spark');
  await run('spark/embed.py', ['list.txt', 'spark'], {
    EDGECLIP: command,
    PICTURES_A_PARTITION: '60',
    // Two tasks at once; each is tried twice.
    PYSPARK_SUBMIT_ARGS: '--master local[2,2] --conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 --conf spark.python.authenticate.socketTimeout=300s pyspark-shell', // biome-ignore format: one line
    PYSPARK_PYTHON: resolve(python),
  });
  expect(existsSync(mark)).toBe(true);
  expect(readdirSync(at('spark')).filter((name) => name.endsWith('.parquet'))).toHaveLength(3);
  check('spark');
});

describe('Ray', () => {
  const names = ['part-00000.parquet', 'part-00001.parquet', 'part-00002.parquet'];
  const environment = {
    PICTURES_A_PART: '60',
    RAY_USAGE_STATS_ENABLED: '0',
    RAY_TMPDIR: dirname(work.path),
  };

  it('an actor gives every picture a row, though its process is killed', async () => {
    const { command, mark } = dyingCommand('ray');
    expect(await run('ray/embed.py', ['list.txt', 'ray'], { ...environment, EDGECLIP: command })).toMatch(/^124 pictures, 3 of them failed$/m); // biome-ignore format: one line
    expect(existsSync(mark)).toBe(true);
    expect(readdirSync(at('ray')).sort()).toEqual(names);
    check('ray');
  });

  it('makes the parts that are missing, in the same bytes', async () => {
    const { command } = dyingCommand('ray');
    const before = names.map((name) => readFileSync(join(at('ray'), name)));
    rmSync(join(at('ray'), names[1]!));
    expect(await run('ray/embed.py', ['list.txt', 'ray'], { ...environment, EDGECLIP: command })).toMatch(/^60 pictures, /m); // biome-ignore format: one line
    expect(names.map((name) => readFileSync(join(at('ray'), name)).equals(before[names.indexOf(name)]!))).toEqual([true, true, true]); // biome-ignore format: one line
  });
});
