/** Which slot, the number of a record, holds the vector of which id, and the order in which vectors were added. */
import type { VectorId } from './vectors.ts';

export class Slots {
  /** By slot: the place of its addition among all. What a removed one had stays until the slot is used again. */
  readonly added: number[] = [];
  readonly #ids: VectorId[] = [];
  /** How many slots from the first on have ascending numbers as ids, as rows of a database do: these are found by halving. */
  #ascending = 0;
  /** Slots of these that were let go. */
  readonly #gone = new Set<number>();
  /** The slots of all other ids: at a million, a map takes as much memory as all else that is known of them. */
  readonly #others = new Map<VectorId, number>();
  readonly #free: number[] = [];
  #additions = 0;

  /** How many ids there are. */
  get size(): number {
    return this.#ascending - this.#gone.size + this.#others.size;
  }

  has(id: VectorId): boolean {
    return this.#find(id) !== undefined;
  }

  /** The id of a slot: the one that it had, if it was removed. */
  id(slot: number): VectorId {
    return this.#ids[slot]!;
  }

  /** The slots in use, in the order of their additions. */
  inOrder(): number[] {
    const slots = [...this.#others.values()];
    for (let slot = 0; slot < this.#ascending; slot++) if (!this.#gone.has(slot)) slots.push(slot);
    return slots.sort((a, b) => this.added[a]! - this.added[b]!);
  }

  /** A slot that was let go and can be used again. */
  get free(): number | undefined {
    return this.#free.at(-1);
  }

  /** Gives a slot to an id, which has none: a new one, or `free`. */
  add(id: VectorId, slot: number): void {
    if (slot === this.free) this.#free.pop();
    if (slot < this.#ascending) this.#endAscending();
    const isNext = slot === this.#ascending && slot === this.#additions && typeof id === 'number';
    if (isNext && (slot === 0 || id > (this.#ids[slot - 1] as number))) this.#ascending++;
    else this.#others.set(id, slot);
    this.#ids[slot] = id;
    this.added[slot] = this.#additions++;
  }

  /** Takes an id's slot from it; undefined if it has none. */
  remove(id: VectorId): number | undefined {
    const slot = this.#find(id);
    if (slot !== undefined && slot < this.#ascending) this.#gone.add(slot);
    else this.#others.delete(id);
    return slot;
  }

  /** Lets a slot be used again. */
  release(slot: number): void {
    this.#free.push(slot);
  }

  #find(id: VectorId): number | undefined {
    if (typeof id === 'number') {
      let [low, high] = [0, this.#ascending];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((this.#ids[middle] as number) < id) low = middle + 1;
        else high = middle;
      }
      if (low < this.#ascending && this.#ids[low] === id && !this.#gone.has(low)) return low;
    }
    return this.#others.get(id);
  }

  /** One of these slots gets another id. */
  #endAscending(): void {
    for (let slot = 0; slot < this.#ascending; slot++) {
      if (!this.#gone.has(slot)) this.#others.set(this.#ids[slot]!, slot);
    }
    this.#ascending = 0;
    this.#gone.clear();
  }
}
