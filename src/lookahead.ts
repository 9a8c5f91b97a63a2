/** Reads a source of pictures a few items ahead, so that files are read while others are computed. */

import { macrotask, untilAborted } from './scheduler.ts';

/** Pictures that are read ahead, for each that is computed at once. */
export const READ_AHEAD = 2;

/** Items that are nearly ready are waited for this long, to be computed together with the first. */
const GATHER_MS = 10;

interface Entry<T> {
  /** Resolves when `result` is there. */
  readonly settled: Promise<unknown>;
  result?: PromiseSettledResult<T>;
}

export class Lookahead<I, T> {
  readonly #source: Iterable<I> | AsyncIterable<I>;
  readonly #size: number;
  readonly #open: (item: I) => T | PromiseLike<T>;
  readonly #drop: (value: T) => void;
  readonly #window: Entry<T>[] = [];
  #iterator: Iterator<I> | AsyncIterator<I> | undefined;
  #pulling: Promise<void> | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param size the most items that are held at once
   * @param open what is done with each item as soon as the source gives it; its failure is the item's own
   * @param drop what is done with items that are not taken before `close`. Default nothing
   */
  constructor(
    source: Iterable<I> | AsyncIterable<I>,
    size: number,
    open: (item: I) => T | PromiseLike<T>,
    drop: (value: T) => void = () => {},
  ) {
    this.#source = source;
    this.#size = size;
    this.#open = open;
    this.#drop = drop;
  }

  /**
   * The next items in order, at most n: waits for the first, and for others only if they are about to come. None at the end.
   * @throws what the source throws, after all items before it; the signal's reason
   */
  async take(n: number, signal?: AbortSignal): Promise<PromiseSettledResult<T>[]> {
    const taken: PromiseSettledResult<T>[] = [];
    for (let ready = await this.gather(n, signal); taken.length < ready; ) taken.push(this.shift()!);
    return taken;
  }

  /**
   * How many of the next n items are ready: waits for the first, and for others only if they are about to come. 0 at the end.
   * @throws what the source throws, if there are no items before that; the signal's reason
   */
  async gather(n: number, signal?: AbortSignal): Promise<number> {
    signal?.throwIfAborted();
    await untilAborted(this.head(), signal);
    if (this.#window.length === 0) {
      if (this.#failure) throw this.#failure.error;
      return 0;
    }
    if (n > 1) await untilAborted(this.#gather(n), signal);
    const late = this.#window.findIndex(({ result }) => !result);
    return Math.min(n, late < 0 ? this.#window.length : late);
  }

  /** Resolves when the next item is ready, or there is none. */
  async head(): Promise<void> {
    this.#pull();
    while (this.#window.length === 0 && this.#pulling) await this.#pulling;
    await this.#window[0]?.settled;
  }

  /** The next item, if it is ready; it is not taken. */
  peek(): PromiseSettledResult<T> | undefined {
    return this.#window[0]?.result;
  }

  /** Takes the next item, if it is ready. */
  shift(): PromiseSettledResult<T> | undefined {
    const result = this.#window[0]?.result;
    if (!result) return undefined;
    this.#window.shift();
    this.#pull();
    return result;
  }

  /** Whether all items were taken. */
  get isOver(): boolean {
    return this.#ended && this.#window.length === 0;
  }

  /** Waits a moment for the first n items. */
  async #gather(n: number): Promise<void> {
    const isReady = () => this.#window.length >= n && this.#window.slice(0, n).every(({ result }) => result);
    if (isReady()) return;
    await macrotask();
    const late = this.#window.slice(0, n).filter(({ result }) => !result);
    if (late.length === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const moment = new Promise((resolve) => {
      timer = setTimeout(resolve, GATHER_MS);
    });
    await Promise.race([Promise.all(late.map(({ settled }) => settled)), moment]);
    clearTimeout(timer);
  }

  /** Asks the source for items until the window is full. */
  #pull(): void {
    if (this.#pulling || this.#ended || this.#window.length >= this.#size) return;
    this.#pulling = this.#pullOne().then(() => {
      this.#pulling = undefined;
      this.#pull();
    });
  }

  async #pullOne(): Promise<void> {
    try {
      this.#iterator ??= iteratorOf(this.#source);
      const { done, value } = await this.#iterator.next();
      if (done) this.#ended = true;
      else this.#window.push(this.#entry(value));
    } catch (error) {
      this.#ended = true;
      this.#failure = { error };
    }
  }

  #entry(item: I): Entry<T> {
    const opened = (async () => this.#open(item))(); // begins at once, and throws nothing here
    const entry: Entry<T> = {
      settled: opened.then(
        (value) => {
          entry.result = { status: 'fulfilled', value };
        },
        (reason) => {
          entry.result = { status: 'rejected', reason };
        },
      ),
    };
    return entry;
  }

  /** Tells the source that no more is wanted, unless it has ended. */
  async close(): Promise<void> {
    for (const entry of this.#window.splice(0))
      void entry.settled.then(() => entry.result?.status === 'fulfilled' && this.#drop(entry.result.value));
    if (this.#ended) return;
    this.#ended = true;
    const returned = (async () => this.#iterator?.return?.())();
    // A source that is at work answers only when it is done with that, perhaps never.
    if (this.#pulling) returned.catch(() => {});
    else await returned;
  }
}

function iteratorOf<I>(source: Iterable<I> | AsyncIterable<I>): Iterator<I> | AsyncIterator<I> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}
