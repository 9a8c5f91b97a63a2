/**
 * Which form of a tile is the faster one (assembly/tile.ts) depends on the engine, and shows only once its code is optimised.
 * So it is found out at work: products of the same weights take the forms in turns, and the form wins whose best times are
 * the better ones. The forms have the same sums, so nobody but a clock can tell. It goes product by product because a
 * machine that others use is seldom undisturbed for as long as a picture takes.
 */
import { Mode, ROW_GROUP } from './kernels.ts';

/** Mode.none or Mode.splat. */
export type Form = typeof Mode.none | typeof Mode.splat;
const FORMS: readonly [Form, Form] = [Mode.none, Mode.splat];

/** Products that only warm the code up, and products that are timed: some ten pictures of ViT-B/32. */
const WARM_UP = 200;
const TIMED = 300;
/** Products of less work than this, in multiplications, take too little time to be told from noise; few rows have one form. */
const LEAST_WORK = 1e6;

/** What is known of the products of one n and k. */
interface Shape {
  calls: number;
  /** Rows of all its timed products. */
  rows: number;
  /** Least milliseconds a row, by form. */
  readonly best: [number, number];
}

export class TileTrial {
  #calls = 0;
  #winner: Form | undefined;
  readonly #shapes = new Map<string, Shape>();

  /** `form`: the answer, where nothing is to be found out. */
  constructor(form?: Form) {
    this.#winner = form;
  }

  /** The faster form, once it is known. */
  get winner(): Form | undefined {
    return this.#winner;
  }

  /** The form of what is not timed. */
  get form(): Form {
    return this.#winner ?? FORMS[0];
  }

  /** Runs a product of m rows with the form whose turn it is. */
  run(m: number, n: number, k: number, product: (form: Form) => void): void {
    if (this.#winner !== undefined || m < ROW_GROUP || m * n * k < LEAST_WORK) {
      product(this.form);
      return;
    }
    const shape = this.#shape(n, k);
    const turn = (shape.calls++ & 1) as 0 | 1;
    const start = performance.now();
    product(FORMS[turn]);
    const time = (performance.now() - start) / m;
    if (++this.#calls <= WARM_UP) return;
    shape.rows += m;
    shape.best[turn] = Math.min(shape.best[turn], time);
    if (this.#calls === WARM_UP + TIMED) this.#decide();
  }

  #shape(n: number, k: number): Shape {
    const key = `${n} ${k}`;
    let shape = this.#shapes.get(key);
    if (!shape) {
      shape = { calls: 0, rows: 0, best: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY] };
      this.#shapes.set(key, shape);
    }
    return shape;
  }

  /** Compares the best times of all rows. Where the clock stands still during a computation, the first form wins. */
  #decide(): void {
    let lead = 0;
    for (const { rows, best } of this.#shapes.values()) {
      if (best.every(Number.isFinite)) lead += rows * (best[0] - best[1]);
    }
    this.#winner = FORMS[lead > 0 ? 1 : 0];
    this.#shapes.clear();
  }
}
