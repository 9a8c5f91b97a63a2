/** Means of unit vectors that come one by one: memory is that of the sums. */

export class MeanVectors {
  readonly #width: number;
  readonly #sums: Float64Array;
  readonly #counts: Uint32Array;

  constructor(n: number, width: number) {
    this.#width = width;
    this.#sums = new Float64Array(n * width);
    this.#counts = new Uint32Array(n);
  }

  /** Adds a vector to the mean i. The order of the vectors of one mean decides its last bits. */
  add(i: number, vector: Float32Array): void {
    const from = i * this.#width;
    if (this.#counts[i] === 0) this.#sums.set(vector, from);
    else for (let j = 0; j < this.#width; j++) this.#sums[from + j] = this.#sums[from + j]! + vector[j]!;
    this.#counts[i] = this.#counts[i]! + 1;
  }

  /** The means divided by their lengths, f32[n, width]; the mean of one vector is itself, to the bit. */
  unitVectors(): Float32Array {
    const means = new Float32Array(this.#sums.length);
    for (const [i, count] of this.#counts.entries()) {
      const from = i * this.#width;
      const sums = this.#sums.subarray(from, from + this.#width);
      let square = 0;
      for (const sum of sums) square += sum * sum;
      const length = count === 1 ? 1 : Math.sqrt(square) || 1;
      for (let j = 0; j < this.#width; j++) means[from + j] = sums[j]! / length;
    }
    return means;
  }
}
