import { expect, it } from 'vitest';
import * as core from '../../src/platform/core.ts';

it('edgeclip/core says what to give for each thing that it does not have', async () => {
  await expect(core.wasmFile('simd')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('edgeclip/kernels-simd.wasm') }); // biome-ignore format: one line
  await expect(core.wasmFile('webp')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('edgeclip/webp.wasm') }); // biome-ignore format: one line
  await expect(core.readAddress('a.wasm')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('"a.wasm"') }); // biome-ignore format: one line
  await expect(core.readFileUrl('file:///a.png', 1, () => {}).next()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  await expect(core.modelAt('models/x')).rejects.toThrow(/"models\/x" as ModelFiles/);
  expect(() => core.defaultFiles()).toThrow(/give loadClip one as ModelFiles/);
  expect(core.noThreads()).toBe('edgeclip/core starts no threads');
});
