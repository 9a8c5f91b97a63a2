/** How long a pool waits for a worker that shows no progress before it counts as dead. */

/** The wait is at least this many times the duration of the slowest recent kernel of the caller's own thread. */
const SLOWER = 10;
/** Weight that a kernel's duration keeps with each later kernel: one that was interrupted is forgotten within a picture. */
const DECAY = 0.95;
/** Never wait longer, in milliseconds: a process that was suspended in mid-kernel must not freeze its caller later. */
const MOST = 10_000;

export class Patience {
  readonly #least: number;
  #slowest = 0;

  /** @param least milliseconds to wait where kernels are fast */
  constructor(least: number) {
    this.#least = least;
  }

  /** A kernel took this long on the caller's thread. */
  add(milliseconds: number): void {
    this.#slowest = Math.max(this.#slowest * DECAY, milliseconds);
  }

  /** Milliseconds to wait. */
  get milliseconds(): number {
    return Math.max(this.#least, Math.min(MOST, SLOWER * this.#slowest));
  }
}
