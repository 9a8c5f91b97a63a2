/** A progress bar on a terminal's standard error; in a pipe or a file, nothing. */
import cliProgress from 'cli-progress';

/** Shows nothing in the first moments: what is done by then needs no bar. */
const PATIENCE_MS = 300;
/** Pace and time left are guesses before this. */
const PACE_MS = 1000;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #bar: cliProgress.SingleBar | undefined;
  #task = '';
  #total = 0;
  #since = performance.now();
  /** When the task began, and how much of it was done then. */
  #start = { time: 0, done: 0 };

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** `done` of `total` parts of the task are done. Parts that people count get a pace; bytes do not. */
  show(task: string, done: number, total: number, counted = true): void {
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
    const pace = counted ? this.#pace(now, done) : '';
    if (this.#bar) {
      this.#bar.update(done, { pace });
      return;
    }
    // Wrapping stays on and the cursor shown, so that a run that is killed leaves nothing to set right; the bar is cut at the
    // terminal's width. A signal handler instead would run only between two long computations: Ctrl-C would wait.
    this.#bar = new cliProgress.SingleBar({
      stream: this.#stream,
      format: `${task} [{bar}] {value}/{total}{pace}`,
      barsize: 30,
      linewrap: true,
      clearOnComplete: true,
    });
    this.#bar.start(total, done, { pace });
    process.once('exit', this.#onExit);
  }

  /** ", 45.2/s, 1:05 left" once that can be told. */
  #pace(now: number, done: number): string {
    const { time, done: before } = this.#start;
    const seconds = (now - time) / 1000;
    if (seconds * 1000 < PACE_MS || done <= before) return '';
    const rate = (done - before) / seconds;
    const left = `${duration((this.#total - done) / rate)} left`;
    return `, ${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s, ${left}`;
  }

  /** Takes the bar away, so that a line can be printed in its place; the next `show` draws it again. */
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

/** Minutes and seconds, and hours if there are any. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = (whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${Math.floor(minutes)}:${two(whole % 60)}`;
}
