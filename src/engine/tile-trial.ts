/**
 * Which form of a tile is the faster one (assembly/tile.ts) depends on the engine, and shows only once its code
 * is optimised. So it is found out at work: the first calls take the forms in turns, and the better time wins. The forms
 * have the same sums, so nobody but a clock can tell.
 */
import { Mode } from './kernels.ts';

const FORMS = [Mode.none, Mode.splat] as const;
/** Calls that only warm the code up, and timed calls of each form. */
const WARM_UP = 4;
const TIMED = 3;

export class TileTrial {
  #calls = 0;
  readonly #best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  #winner: (typeof FORMS)[number] | undefined;

  /** Runs `work` with the form whose turn it is. `units`: how much work it is, e.g. rows; below `least` it is not timed. */
  run<T>(units: number, least: number, work: (form: number) => T): T {
    if (this.#winner !== undefined || units < least) return work(this.#winner ?? FORMS[0]);
    const turn = this.#calls % 2;
    const start = performance.now();
    const result = work(FORMS[turn]!);
    const time = (performance.now() - start) / units;
    if (this.#calls >= WARM_UP) this.#best[turn] = Math.min(this.#best[turn]!, time);
    this.#calls++;
    // Where the clock stands still during a computation, the first form wins.
    if (this.#calls === WARM_UP + 2 * TIMED) this.#winner = this.#best[1]! < this.#best[0]! ? FORMS[1] : FORMS[0];
    return result;
  }
}
