/** What parts may be beside Parquet of float32: half the size, or what clip-retrieval reads. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readNpy } from '../cli/npy.ts';
import { useBatchFolder, useImageTower } from './batch-folder.ts';
import { python } from './services.ts';

const folder = useBatchFolder(120);
const { at, run, plan, parts, table } = folder;
const model = useImageTower();

it('writes float16, as NumPy rounds, and the layout of clip-retrieval', async () => {
  await plan('photos/9', '--output', 'one', '--shard-size', '6');
  await plan('photos/9', '--output', 'half', '--half', '--shard-size', '8');
  await plan('photos/9', '--output', 'retrieval', '--layout', 'clip-retrieval', '--shard-size', '8');
  await plan('photos/9', '--output', 'both', '--half', '--layout', 'clip-retrieval', '--shard-size', '8');
  for (const name of ['one', 'half', 'retrieval', 'both'])
    expect((await run('batch', 'work', '--output', name)).code).toBe(0);
  const whole = ['one/part-00000.parquet', 'one/part-00001.parquet'].flatMap((path) => table(path).rows);
  expect(parts('retrieval')).toEqual(['img_emb_00000.npy', 'img_emb_00001.npy', 'metadata_00000.parquet', 'metadata_00001.parquet']); // biome-ignore format: one line
  const script = `
import json, numpy as np, pyarrow.parquet as pq, duckdb
half = pq.read_table("half/part-00001.parquet")
full = np.load("retrieval/img_emb/img_emb_00001.npy")
both = np.load("both/img_emb/img_emb_00001.npy")
names = pq.read_table("retrieval/metadata/metadata_00001.parquet").column("image_path").to_pylist()
good = [row for row in half.to_pylist() if row["embedding"] is not None]
assert [row["key"] for row in good] == names, names
assert (np.array([row["embedding"] for row in good], dtype=np.float16) == full.astype(np.float16)).all()
assert both.dtype == np.float16 and (both == full.astype(np.float16)).all()
duck = duckdb.sql("select key, typeof(embedding), len(embedding) from 'one/part-*.parquet' where error is null order by key").fetchall()
print(json.dumps({"type": str(half.schema.field("embedding").type), "rows": len(names), "duck": duck[0], "found": len(duck)}))`;
  const said = JSON.parse(execFileSync(python, ['-c', script], { cwd: folder.path, encoding: 'utf8' }));
  expect(said).toEqual({ type: 'list<element: halffloat not null>', rows: 3, duck: ['000009.png', 'FLOAT[]', model.clip.config.embedDim], found: 11 }); // biome-ignore format: one line
  const failures = await run('batch', 'status', '--output', 'retrieval', '--errors');
  expect([failures.code, failures.stdout]).toEqual([
    0,
    expect.stringMatching(/^000099\.png: .*\[IMAGE_TRUNCATED\]\n$/),
  ]);
  const npy = readNpy(readFileSync(at('retrieval/img_emb/img_emb_00000.npy')));
  expect(npy.rows[5]).toEqual(Float32Array.from(whole.filter(({ embedding }) => embedding)[5]!.embedding!));
});
