/** A progress bar on a terminal's standard error; in a pipe or a file, nothing. */
import cliProgress from 'cli-progress';

/** No bar for tasks that finish within this time. */
const PATIENCE_MS = 300;
/** Rate and time left are too unreliable before this. */
const PACE_MS = 1000;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #bar: cliProgress.SingleBar | undefined;
  #task = '';
  #total = 0;
  #since = performance.now();
  /** Start time of the task, and how much was done at that time. */
  #start = { time: 0, done: 0 };

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /**
   * Shows that `done` of `total` are done. `counted`: with the rate and the time left; `bytes`: the same, as sizes; `plain`:
   * without.
   */
  show(task: string, done: number, total: number, kind: 'counted' | 'bytes' | 'plain' = 'counted'): void {
    if (!this.#stream.isTTY) return;
    const now = performance.now();
    const same = this.#task === task && this.#total === total;
    if (!same) {
      this.clear();
      this.#task = task;
      this.#total = total;
      this.#start = { time: now, done };
    }
    if (now - this.#since < PATIENCE_MS) return;
    const pace = kind === 'plain' ? '' : this.#pace(now, done, kind === 'bytes');
    const amount = kind === 'bytes' ? `${megabytes(done)}/${megabytes(total)} MB` : `${done}/${total}`;
    if (this.#bar) {
      this.#bar.update(done, { pace, amount });
      return;
    }
    // Line wrapping and cursor are left alone, so that a killed run leaves the terminal intact. Restoring them in a signal
    // handler would delay Ctrl-C until the current computation ends.
    this.#bar = new cliProgress.SingleBar({
      stream: this.#stream,
      format: `${task} [{bar}] {amount}{pace}`,
      barsize: 30,
      linewrap: true,
      clearOnComplete: true,
    });
    this.#bar.start(total, done, { pace, amount });
    process.once('exit', this.#onExit);
  }

  /** ", 45/s, 1:05 left", or nothing while it is too early. */
  #pace(now: number, done: number, bytes: boolean): string {
    const { time, done: before } = this.#start;
    const seconds = (now - time) / 1000;
    if (seconds * 1000 < PACE_MS || done <= before) return '';
    const rate = (done - before) / seconds;
    const left = `${duration((this.#total - done) / rate)} left`;
    if (bytes) return `, ${megabytes(rate)} MB/s, ${left}`;
    return `, ${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s, ${left}`;
  }

  /** Removes the bar, so that a line can be printed; the next `show` draws it again. */
  clear(): void {
    if (!this.#bar) return;
    this.#bar.stop();
    this.#bar = undefined;
    process.off('exit', this.#onExit);
  }

  /** Prints a line on standard error. */
  line(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  readonly #onExit = () => this.clear();
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** `m:ss` or `h:mm:ss`. */
export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = (whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${Math.floor(minutes)}:${two(whole % 60)}`;
}
