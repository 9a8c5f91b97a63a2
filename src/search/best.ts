/** The k largest scores so far, of slots in any order. */

export interface Scored {
  readonly slot: number;
  readonly score: number;
}

export class Best {
  readonly #k: number;
  readonly #added: readonly number[];
  #found: Scored[] = [];
  /** What is below it is not among the best. */
  #least = Number.NEGATIVE_INFINITY;

  /** @param added when each slot's vector was added: of equal scores, the earlier is better */
  constructor(k: number, added: readonly number[]) {
    this.#k = k;
    this.#added = added;
  }

  /** Returns what a further score must reach to be among the best. */
  add(slot: number, score: number): number {
    if (score >= this.#least) {
      this.#found.push({ slot, score });
      if (this.#found.length >= 2 * this.#k + 64) this.#cut();
    }
    return this.#least;
  }

  /** The k-th largest; -Infinity while there are fewer. */
  least(): number {
    this.#cut();
    return this.#least;
  }

  /** Largest first. */
  list(): readonly Scored[] {
    this.#cut();
    return this.#found;
  }

  #cut(): void {
    const added = this.#added;
    this.#found.sort((a, b) => b.score - a.score || added[a.slot]! - added[b.slot]!);
    this.#found.length = Math.min(this.#k, this.#found.length);
    if (this.#found.length === this.#k) this.#least = this.#found[this.#k - 1]!.score;
  }
}
