import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import * as core from '../../src/platform/core.ts';

it('edgeclip/core says what to give for each thing that it does not have', async () => {
  await expect(core.wasmFile('simd')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('edgeclip/kernels-simd.wasm') }); // biome-ignore format: one line
  await expect(core.wasmFile('webp')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('edgeclip/webp.wasm') }); // biome-ignore format: one line
  await expect(core.readAddress('a.wasm')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('"a.wasm"') }); // biome-ignore format: one line
  const server = createServer(({ url }, answer) => answer.writeHead(url === '/a' ? 200 : 404).end('bytes'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(Buffer.from(await core.readAddress(`${address}/a`)).toString()).toBe('bytes');
  await expect(core.readAddress(`${address}/b`)).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('status 404') }); // biome-ignore format: one line
  server.closeAllConnections();
  server.close();
  await expect(core.readFileUrl('file:///a.png', 1, () => {}).next()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  await expect(core.modelAt('models/x')).rejects.toThrow(/"models\/x" as ModelFiles/);
  expect(() => core.defaultFiles()).toThrow(/give loadClip one as ModelFiles/);
  expect(core.noThreads()).toBe('edgeclip/core starts no threads');
});
