import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CodecName } from '../../src/platform/platform.ts';

/** What the next calls for this file do instead of their own work. */
let failure: { file: string; run: () => Promise<WebAssembly.Module> } | undefined;
vi.mock('../../src/platform/modules.ts', async (original) => {
  const modules = await original<typeof import('../../src/platform/modules.ts')>();
  const or = (file: string, run: () => Promise<WebAssembly.Module>) => (failure?.file === file ? failure.run() : run());
  return {
    ...modules,
    codecModule: (name: CodecName) => or(`${name}.wasm`, () => modules.codecModule(name)),
    picturesModule: () => or('pictures.wasm', modules.picturesModule),
  };
});

const { decodeImage } = await import('../../src/image/decode.ts');
const folder = new URL('../golden/image-cases/', import.meta.url);
const read = async (file: string) => new Uint8Array(await readFile(new URL(file, folder)));

const pictures = [
  ['png-rgb8.png', 'pictures.wasm'],
  ['webp-lossy.webp', 'webp.wasm'],
] as const;

describe.each(pictures)('the decoder of %s (B10)', (picture, file) => {
  afterEach(() => {
    failure = undefined;
    vi.unstubAllGlobals();
    vi.resetModules();
  });
  /** A copy of the module, in which no decoder has started yet. */
  const fresh = async () => {
    vi.resetModules();
    return (await import('../../src/image/decode.ts')).decodeImage;
  };

  const notCompiling = () => WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 9, 9, 9, 9));
  const notStarting = () => WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  const noMemory = () => Promise.reject(new RangeError('could not allocate memory'));

  it.each([
    ['does not compile', notCompiling],
    ['does not start', notStarting],
    ['finds no memory', noMemory],
  ])('that %s is UNSUPPORTED and names the file; the next call tries again', async (_, fail) => {
    const decode = await fresh();
    const bytes = await read(picture);
    failure = { file, run: fail };
    const calls = await Promise.allSettled([decode(bytes), decode(bytes)]);
    for (const call of calls) {
      expect(call).toMatchObject({
        status: 'rejected',
        reason: { name: 'ClipError', code: 'UNSUPPORTED', message: expect.stringContaining(file) },
      });
    }
    failure = undefined;
    expect((await decode(bytes)).width).toBeGreaterThan(0);
  });

  it('that cannot be read is an IO error as the platform reports it', async () => {
    const decode = await fresh();
    const { ClipError } = await import('../../src/errors.ts');
    failure = { file, run: () => Promise.reject(new ClipError('IO', `cannot read ${file}`)) };
    await expect(decode(await read(picture))).rejects.toMatchObject({ code: 'IO', message: `cannot read ${file}` });
  });

  it('is UNSUPPORTED without WebAssembly (B16)', async () => {
    const decode = await fresh();
    vi.stubGlobal('WebAssembly', undefined);
    await expect(decode(await read(picture))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('no WebAssembly'),
    });
  });
});

describe('a decoder', () => {
  it('is compiled once, however many pictures fail', async () => {
    const compile = vi.spyOn(WebAssembly, 'compile');
    const half = await read('png-half.png');
    for (let i = 0; i < 5; i++) await expect(decodeImage(half)).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' });
    expect(compile.mock.calls.length).toBeLessThanOrEqual(1);
    compile.mockRestore();
  });

  it('without memory for a picture says so, rather than that the picture is damaged', async () => {
    // Cut, but as if complete: the decoder itself finds out.
    const bytes = (await read('webp-lossy.webp')).slice(0, 100);
    new DataView(bytes.buffer).setUint32(4, bytes.length - 8, true);
    // The memory of a decoder cannot grow, as under a limit of the process.
    const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow').mockImplementation(() => {
      throw new RangeError('WebAssembly.Memory.grow(): Unable to grow instance memory');
    });
    try {
      await expect(decodeImage(bytes)).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringMatching(/webp\.wasm has not enough memory for a picture of 45 x 31 pixels/),
      });
    } finally {
      grow.mockRestore();
    }
    await expect(decodeImage(bytes)).rejects.toMatchObject({ code: 'IMAGE_FORMAT' });
  });
});
