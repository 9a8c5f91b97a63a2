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
    // Wrapping stays on and the cursor shown, so that a run that is killed leaves nothing to set right; the bar is cut at the
    // terminal's width. A signal handler instead would run only between two long computations: Ctrl-C would wait.
    this.#bar = new cliProgress.SingleBar({
      stream: this.#stream,
      format: `${task} [{bar}] {value}/{total}`,
      barsize: 30,
      linewrap: true,
      clearOnComplete: true,
    });
    this.#bar.start(total, done);
    process.once('exit', this.#onExit);
  }

  /** Takes the bar away, so that a line can be printed in its place; the next `show` draws it again. */
  clear(): void {
    if (!this.#bar) return;
    this.#bar.stop();
    this.#bar = undefined;
    process.off('exit', this.#onExit);
  }

  readonly #onExit = () => this.clear();
}
