/** The pictures of a shard are read some ahead, without a warning of Node's about what listens for the end. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { PictureSource } from '../../src/batch/sources.ts';

it('reads 16 pictures at once', async () => {
  const [count, atOnce] = [40, 16];
  const open: ServerResponse[] = [];
  let asked = 0;
  const server = createServer((_, answer) => {
    answer.write('a picture'); // its end comes when as many as may be are on their way
    asked++;
    if (open.push(answer) === atOnce || asked === count) for (const one of open.splice(0)) one.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  try {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const keys = Array.from({ length: count }, (_, i) => `${address}/${i}.png`);
    const source = new PictureSource({
      id: 'list',
      input: 'list',
      kind: 'list',
      base: '/',
      layout: 'parquet',
      half: false,
    });
    const found: string[] = [];
    for await (const { key, bytes } of source.pictures({ part: 0, keys }, new AbortController().signal)) {
      expect(Buffer.from(await bytes()).toString()).toBe('a picture');
      found.push(key);
    }
    expect(found).toEqual(keys);
    await wait(10);
    expect(warnings).toEqual([]);
  } finally {
    process.off('warning', note);
    server.close();
  }
});
