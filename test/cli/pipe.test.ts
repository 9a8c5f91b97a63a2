import { Writable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { Progress } from '../../src/cli/progress.ts';
import { edgeclip, projectPath } from './command.ts';

describe('in a pipe', () => {
  it('no progress bar, color or other escape sequence is written', async () => {
    // 480 prompts and six pictures take longer than the bar waits
    const args = ['classify', 'examples', '--labels', 'cat,dog,rocket,grass,galaxy,person', '--templates', 'openai-80'];
    const { code, stdout, stderr } = await edgeclip(args, { cwd: projectPath });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^[\x20-\x7e\n]+$/);
    expect(code).toBe(0);
  });

  it('a reader that leaves after the first line ends the run quietly', async () => {
    const args = ['embed', ...Array(12).fill('examples/cat.png')];
    const { code, stdout, stderr } = await edgeclip(args, { cwd: projectPath, hangUp: true });
    expect(stdout).toMatch(/^\{"file":"examples\/cat.png"/);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });
});

describe('the progress bar', () => {
  it.each<[string, number, number, 'counted' | 'bytes' | 'plain', string]>([
    ['images', 1000, 100, 'counted', 'images [###] 100/1000, 50/s, 0:18 left'],
    ['images', 100_000, 4, 'counted', 'images [###] 4/100000, 2.0/s, 13:53:18 left'],
    ['images', 200, 200, 'counted', 'images [###] 200/200, 100/s, 0:00 left'],
    ['loading image tower', 100, 50, 'plain', 'loading image tower [###] 50/100'],
    ['fetching x', 600e6, 150e6, 'bytes', 'fetching x [###] 150.0/600.0 MB, 75.0 MB/s, 0:06 left'],
  ])('of %s (%i) tells pace and time left after two seconds', (task, total, done, kind, shown) => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const { stream: to, written } = stream(true);
      const progress = new Progress(to);
      progress.show(task, 0, total, kind); // too early to be drawn, but the task begins here
      vi.advanceTimersByTime(2000);
      progress.show(task, done, total, kind);
      progress.clear();
      const line = written().replace(/[\u2580-\u259f=-]+/u, '###'); // the bar itself
      expect(line).toContain(shown);
      expect(line.replace(shown, '')).not.toContain('left');
    } finally {
      vi.useRealTimers();
    }
  });

  it('gives way to a line', () => {
    const { stream: to, written } = stream(false);
    new Progress(to).line('error: a picture');
    expect(written()).toBe('error: a picture\n');
  });

  /** A terminal's standard error, or (not `isTTY`) a pipe, and what was written to it. */
  function stream(isTTY: boolean): { stream: NodeJS.WriteStream; written: () => string } {
    let written = '';
    const sink = new Writable({
      write(chunk, _, done) {
        written += chunk;
        done();
      },
    });
    return {
      stream: Object.assign(sink, { isTTY, columns: 80 }) as unknown as NodeJS.WriteStream,
      written: () => written,
    };
  }

  it.each([
    [true, 400, /images \[.*\] 1\/3/],
    [true, 100, /^$/],
    [false, 400, /^$/],
  ])('on a terminal (%s) after %i ms', (isTTY, elapsed, shown) => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const { stream: to, written } = stream(isTTY);
      const progress = new Progress(to);
      vi.advanceTimersByTime(elapsed);
      const signals = process.listenerCount('SIGINT');
      progress.show('images', 1, 3);
      // A run that is killed here leaves wrapping (7) and cursor (25) as they were; Ctrl-C has no handler to wait for.
      expect(written()).not.toMatch(/\?(?:7|25)[lh]/);
      expect(process.listenerCount('SIGINT')).toBe(signals);
      progress.clear();
      expect(written()).toMatch(shown);
    } finally {
      vi.useRealTimers();
    }
  });
});
