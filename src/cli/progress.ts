/** A progress bar on a terminal's standard error; in a pipe or a file, nothing. */
import cliProgress from 'cli-progress';

/** Shows nothing in the first moments: what is done by then needs no bar. */
const PATIENCE_MS = 300;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #bar: cliProgress.SingleBar | undefined;
  #task = '';
  #total = 0;
  #since = performance.now();

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** `done` of `total` parts of the task are done. */
  show(task: string, done: number, total: number): void {
    if (!this.#stream.isTTY || performance.now() - this.#since < PATIENCE_MS) return;
    if (this.#bar && this.#task === task && this.#total === total) {
      this.#bar.update(done);
      return;
    }
    this.clear();
    this.#task = task;
    this.#total = total;
    const format = `${task} [{bar}] {value}/{total}`;
    this.#bar = new cliProgress.SingleBar({ stream: this.#stream, format, barsize: 30, clearOnComplete: true });
    this.#bar.start(total, done);
    process.on('exit', this.#onExit).on('SIGINT', this.#onSignal).on('SIGTERM', this.#onSignal);
  }

  /** Takes the bar away, so that a line can be printed in its place; the next `show` draws it again. */
  clear(): void {
    if (!this.#bar) return;
    this.#bar.stop();
    this.#bar = undefined;
    process.off('exit', this.#onExit).off('SIGINT', this.#onSignal).off('SIGTERM', this.#onSignal);
  }

  // The bar switches line wrapping off; it must be on again however the process ends.
  readonly #onExit = () => this.clear();
  readonly #onSignal = (signal: NodeJS.Signals) => {
    this.clear(); // takes this handler away too, so the signal now does what it does by default
    process.kill(process.pid, signal);
  };
}
