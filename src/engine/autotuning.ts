/**
 * Which variant of the GEMM tile is faster (assembly/tile.ts) depends on the engine, and shows only once the code is optimized.
 * So it is measured at work: products of the same weights alternate between the variants, and the variant with the better best
 * times wins. Both give the same sums, so only a clock can tell them apart. The comparison goes product by product because a
 * shared machine is seldom undisturbed for as long as a whole picture takes.
 */
import { Mode } from './calls.ts';
import { ROW_GROUP } from './contract.ts';

/** Mode.none or Mode.splat. */
export type TileVariant = typeof Mode.none | typeof Mode.splat;
export const TILE_VARIANTS: readonly [TileVariant, TileVariant] = [Mode.none, Mode.splat];

/** Products that only warm the code up, and products that are timed: some ten pictures of ViT-B/32. */
const WARM_UP = 200;
const TIMED = 300;
/** Smaller products, in multiplications, take too little time to be told from noise; few rows have only one variant. */
const LEAST_WORK = 1e6;

/** Timings of the products of one n and k. */
interface Shape {
  calls: number;
  /** Rows of all its timed products. */
  rows: number;
  /** Least milliseconds per row, by variant. */
  readonly best: [number, number];
}

export class TileAutotuner {
  #calls = 0;
  #winner: TileVariant | undefined;
  readonly #shapes = new Map<string, Shape>();

  /** `variant`: the answer, where nothing is to be measured. */
  constructor(variant?: TileVariant) {
    this.#winner = variant;
  }

  /** Whether the faster variant is known. */
  get settled(): boolean {
    return this.#winner !== undefined;
  }

  /** The faster variant; until it is known, the first. */
  get variant(): TileVariant {
    return this.#winner ?? TILE_VARIANTS[0];
  }

  /** Runs a product of m rows with the variant whose turn it is. */
  run(m: number, n: number, k: number, product: (variant: TileVariant) => void): void {
    if (this.settled || m < ROW_GROUP || m * n * k < LEAST_WORK) {
      product(this.variant);
      return;
    }
    const shape = this.#shape(n, k);
    const turn = (shape.calls++ & 1) as 0 | 1;
    const start = performance.now();
    product(TILE_VARIANTS[turn]);
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

  /** Compares the best times of all rows. Where the clock stands still during a computation, the first variant wins. */
  #decide(): void {
    let lead = 0;
    for (const { rows, best } of this.#shapes.values()) {
      if (best.every(Number.isFinite)) lead += rows * (best[0] - best[1]);
    }
    this.#winner = TILE_VARIANTS[lead > 0 ? 1 : 0];
    this.#shapes.clear();
  }
}
