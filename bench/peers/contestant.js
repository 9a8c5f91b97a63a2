import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const child = fileURLToPath(new URL('child.js', import.meta.url));

/** The parent's end of child.js: a process that loads one contestant and runs it when told. */
export class Contestant {
  #process;
  #lines;

  /** @type {number[]} every run so far, in milliseconds */
  ms = [];
  /** @type {number[]} processor time over wall time, one for each call of `run` */
  cpu = [];
  /** @type {{ version: string, detail: string, loadMs: number, rssMB: number, embedding: number[] } | undefined} */
  ready;

  /** @param {string} engine @param {import('./tasks.js').Task} task @param {object} options */
  constructor(engine, task, options) {
    this.engine = engine;
    this.task = task;
    const args = [child, engine, JSON.stringify(task), JSON.stringify(options)];
    this.#process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until it has loaded and run once. */
  async start() {
    this.ready = await this.#answer();
    return this;
  }

  async run(count) {
    this.#process.stdin.write(`run ${count}\n`);
    const { ms, cpu } = await this.#answer();
    this.ms.push(...ms);
    this.cpu.push(cpu);
  }

  async quit() {
    if (this.#process.exitCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.stdin.end('quit\n');
    await exit;
  }

  async #answer() {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.engine} ended without an answer`);
      if (!value.startsWith('{')) continue; // a runtime's own chatter
      const line = JSON.parse(value);
      if (line.error) throw new Error(line.error);
      return line;
    }
  }
}
