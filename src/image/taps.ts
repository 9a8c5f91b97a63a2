/** The filter taps of Pillow 13's resize along one axis: source pixels and weights of each output pixel. */

import { RESAMPLE_BITS } from './contract.ts';

/** One in Pillow's fixed point. */
const ONE = 2 ** RESAMPLE_BITS;

/** A filter of Pillow's: how far it reaches to each side at a scale of 1, and its weight at a distance. */
interface Filter {
  readonly support: number;
  weight(distance: number): number;
}

/** Pillow's names of the filters that models are published with (Resample.c, BICUBIC and BILINEAR). */
export type Interpolation = 'bicubic' | 'bilinear';

const FILTERS: Readonly<Record<Interpolation, Filter>> = {
  bicubic: { support: 2, weight: bicubic },
  bilinear: { support: 1, weight: triangle },
};

/**
 * The taps of one axis, resized from `from` to `to` pixels.
 * After Resample.c of Pillow 13, precompute_coeffs and normalize_coeffs_8bpc, with the same double-precision operations in
 * the same order.
 */
export class Taps {
  /** Maximum number of taps of a pixel. */
  readonly count: number;
  /** Whether source pixels count from the other end: the taps of a mirrored picture, as it lies. */
  readonly backward: boolean;
  /** The coefficients that the last `fill` computed, 22 bits after the point. */
  readonly fixed: Int32Array;
  /** The same before they are rounded: their sum is 1. In the order of source pixels, unless `backward`. */
  readonly weights: Float64Array;
  readonly #from: number;
  readonly #scale: number;
  readonly #filterScale: number;
  readonly #support: number;
  readonly #weight: Filter['weight'];

  constructor(from: number, to: number, backward = false, interpolation: Interpolation = 'bicubic') {
    const { support, weight } = FILTERS[interpolation];
    this.#from = from;
    this.backward = backward;
    this.#scale = from / to;
    this.#filterScale = Math.max(this.#scale, 1);
    this.#support = support * this.#filterScale;
    this.#weight = weight;
    // Resample.c, ksize of precompute_coeffs.
    this.count = Math.ceil(this.#support) * 2 + 1;
    this.fixed = new Int32Array(this.count);
    this.weights = new Float64Array(this.count);
  }

  /** First source pixel of output pixel `index`. */
  first(index: number): number {
    return this.backward ? this.#from - this.#end(index) : this.#first(index);
  }

  /** One past the last source pixel. */
  end(index: number): number {
    return this.backward ? this.#from - this.#first(index) : this.#end(index);
  }

  /** Computes the coefficients of output pixel `index` into `fixed`; returns how many. */
  fill(index: number): number {
    const { weights } = this;
    const center = this.#center(index);
    const first = this.#first(index);
    const taps = this.#end(index) - first;
    const inverse = 1 / this.#filterScale;
    let total = 0;
    for (let t = 0; t < taps; t++) {
      const weight = this.#weight((t + first - center + 0.5) * inverse);
      weights[t] = weight;
      total += weight;
    }
    for (let t = 0; t < taps; t++) {
      const weight = total === 0 ? (weights[t] as number) : (weights[t] as number) / total;
      weights[t] = weight;
      this.fixed[this.backward ? taps - 1 - t : t] = Math.trunc(weight * ONE + (weight < 0 ? -0.5 : 0.5));
    }
    return taps;
  }

  #first(index: number): number {
    return Math.max(0, Math.trunc(this.#center(index) - this.#support + 0.5));
  }

  #end(index: number): number {
    return Math.min(this.#from, Math.trunc(this.#center(index) + this.#support + 0.5));
  }

  #center(index: number): number {
    return (index + 0.5) * this.#scale;
  }
}

/** Keys' cubic with a = -0.5 (Resample.c, bicubic_filter). */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Resample.c, bilinear_filter. */
function triangle(distance: number): number {
  return Math.max(0, 1 - Math.abs(distance));
}
