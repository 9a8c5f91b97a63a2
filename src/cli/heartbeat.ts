/** The file by whose time a probe sees that a worker is alive: touched after its pictures, and while it waits for a shard. */
import { writeFileSync } from 'node:fs';
import { ClipError } from '../errors.ts';
import { ioReason } from '../platform/io-reason.ts';

/** How often it is touched at most. */
const EVERY_MS = 5_000;

export class Heartbeat {
  readonly #path: string;
  readonly #timer: ReturnType<typeof setInterval>;
  #isBusy = false;
  #last = Number.NEGATIVE_INFINITY;

  /** @throws ClipError IO if the file cannot be written */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#touch();
    } catch (cause) {
      throw new ClipError('IO', `cannot write --alive ${JSON.stringify(path)}: ${ioReason(cause)}`, { cause });
    }
    this.#timer = setInterval(() => {
      if (!this.#isBusy) this.#beat();
    }, EVERY_MS);
    this.#timer.unref();
  }

  /** A shard is begun or a picture is done: from now on only pictures count, until `idle`. */
  busy(): void {
    this.#isBusy = true;
    if (performance.now() - this.#last >= EVERY_MS) this.#beat();
  }

  /** The worker waits for a shard. */
  idle(): void {
    this.#isBusy = false;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    try {
      this.#touch();
    } catch {
      // the probe misses it
    }
  }

  #touch(): void {
    writeFileSync(this.#path, `${new Date().toISOString()}\n`);
    this.#last = performance.now();
  }
}
