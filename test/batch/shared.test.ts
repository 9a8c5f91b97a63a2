/** Many workers, one queue, one bucket, and trouble: every picture is there once, in the bytes of a quiet run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { chaos } from './chaos.ts';

it('writes each part once while workers die, sleep and lose the queue, and the storage fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edgeclip-batch-'));
  try {
    const { troubled, quiet, codes, refused, said, status } = await chaos({
      folder,
      pictures: 400,
      shardSize: 20,
      lock: 3,
      stopSeconds: 8,
      cutSeconds: 4,
    });
    expect(refused).toBeGreaterThan(10);
    expect([...troubled.keys()].sort()).toEqual([...quiet.keys()].sort());
    expect(troubled.size).toBe(20);
    for (const [name, bytes] of quiet) expect(Buffer.compare(troubled.get(name)!, bytes), name).toBe(0);
    expect(codes[0]).toBe('SIGKILL');
    expect(codes.slice(2), said.join('')).toEqual([0, 0]);
    expect(status).toContain('shards: 20 of 20 done, 0 running, 0 waiting, 0 set aside');
    expect(status).toContain('pictures: 400 done, 4 of them failed');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
