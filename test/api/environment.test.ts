/** Runtimes that lack something: a typed error that says what, or the promised fallback with its reason. */
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const library = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href);
const cat = JSON.stringify(new URL('../../examples/cat.png', import.meta.url).pathname);

/** Loads a model with two threads and embeds a picture, after `before`; prints what came of it as JSON. */
const program = (before = '') => `
  import { readFileSync } from 'node:fs';
  ${before}
  const { loadClip } = await import(${library});
  try {
    const clip = await loadClip(undefined, { threads: 2, towers: ['image'] });
    const { length } = await clip.encodeImage(readFileSync(${cat}));
    console.log(JSON.stringify({ length, threads: clip.info().threads }));
    clip.dispose();
  } catch ({ name, code, message }) {
    console.log(JSON.stringify({ name, code, message }));
  }`;

function run(flags: readonly string[], source = program()) {
  const options = { encoding: 'utf8' as const, timeout: 120_000, stdio: 'pipe' as const };
  return JSON.parse(execFileSync(process.execPath, [...flags, '--input-type=module', '-e', source], options));
}

describe('without WebAssembly', () => {
  const unsupported = { name: 'ClipError', code: 'UNSUPPORTED', message: expect.stringContaining('no WebAssembly') };

  it('says so under --jitless', () => {
    expect(run(['--jitless'])).toEqual(unsupported);
  });

  it('says so where it was deleted', () => {
    expect(run([], program('delete globalThis.WebAssembly;'))).toEqual(unsupported);
  });

  it('says so where the kernels do not compile, as without SIMD', () => {
    const refuse = `WebAssembly.compile = () => Promise.reject(new WebAssembly.CompileError('invalid value type s128'));`;
    expect(run([], program(refuse))).toEqual({
      name: 'ClipError',
      code: 'UNSUPPORTED',
      message: expect.stringContaining('invalid value type s128'),
    });
  });
});

describe('without worker threads', () => {
  const permission = Number.parseInt(process.versions.node, 10) < 22 ? '--experimental-permission' : '--permission';

  it('computes on one under the permission model, and says why', () => {
    const { length, threads } = run([permission, '--allow-fs-read=*']);
    expect(length).toBe(384);
    expect(threads).toEqual({ count: 1, reason: expect.stringContaining('permission') });
  });

  it('computes on one where starting a worker throws, and says why', () => {
    const refuse = `
      const { getBuiltinModule } = process;
      process.getBuiltinModule = (name) => name !== 'node:worker_threads' ? getBuiltinModule(name)
        : { Worker: class { constructor() { throw new Error('no workers today'); } } };`;
    const { length, threads } = run([], program(refuse));
    expect(length).toBe(384);
    expect(threads).toEqual({ count: 1, reason: expect.stringContaining('no workers today') });
  });
});

describe.runIf(process.platform === 'linux')('with little address space', () => {
  // Of each WebAssembly memory, engines reserve gigabytes.
  it.each([4e6, 1.2e7, 2e7, 3e7])('of %d kB never blames the picture', (kilobytes) => {
    const { stdout, stderr, signal } = spawnSync(
      'bash',
      ['-c', `ulimit -v ${kilobytes}; exec "$0" "$@"`, process.execPath, '--input-type=module', '-e', program()],
      { encoding: 'utf8', timeout: 120_000 },
    );
    // An engine that cannot start at all ends the process, in words or by a signal: that is not ours to handle.
    if (stdout === '') expect(signal ?? stderr).toMatch(/^SIG(?:ABRT|ILL|SEGV|TRAP|BUS)$|out of memory|OOM|allocat/i);
    else if (!('length' in JSON.parse(stdout))) expect(JSON.parse(stdout)).toMatchObject({ code: 'UNSUPPORTED' });
  });
});
