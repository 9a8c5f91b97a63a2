/** The parent's side of children/tower.js: a process with one image tower of the built package. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Precision } from '../src/engine/arithmetic.ts';

/** A JavaScript runtime and how it is started. */
export interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export interface Runs {
  readonly ms: number[];
  readonly elapsed: number;
  readonly pictures: number;
  /** Processor time of the process. */
  readonly cpuMs: number;
}

export class TowerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  /** @param file a picture to embed from its bytes. Default: raw pixels */
  constructor({ command, args }: Runtime, folder: string, precision: Precision, threads: number, file?: string) {
    const script = fileURLToPath(new URL('children/tower.js', import.meta.url));
    const words = [folder, precision, String(threads), ...(file === undefined ? [] : [file])];
    this.#child = spawn(command, [...args, script, ...words]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until it has loaded and warmed up. */
  async ready(): Promise<{ kernels: string; threads: number }> {
    return (await this.#answer()) as { kernels: string; threads: number };
  }

  /** Embeds for `milliseconds`, `together` pictures per call; the last call is finished. */
  async run(milliseconds: number, together = 1): Promise<Runs> {
    this.#child.stdin.write(`run ${milliseconds} ${together}\n`);
    return (await this.#answer()) as Runs;
  }

  async quit(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.stdin.end('quit\n');
    await exit;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('children/tower.js ended without an answer; is the package built?');
    return JSON.parse(value);
  }
}

/** Pictures a second. */
export const rate = ({ pictures, elapsed }: Runs) => (1000 * pictures) / elapsed;
