/** Which slot, the number of a record, holds the vector of which id, and the order in which vectors were added. */
import type { VectorId } from './vectors.ts';

export class Slots {
  /** By slot: the place of its addition among all. What a removed one had stays until the slot is used again. */
  readonly added: number[] = [];
  readonly #ids: VectorId[] = [];
  readonly #slots = new Map<VectorId, number>();
  readonly #free: number[] = [];
  #additions = 0;

  /** How many ids there are. */
  get size(): number {
    return this.#slots.size;
  }

  has(id: VectorId): boolean {
    return this.#slots.has(id);
  }

  /** The id of a slot: the one that it had, if it was removed. */
  id(slot: number): VectorId {
    return this.#ids[slot]!;
  }

  /** The slots in use, in the order of their additions. */
  inOrder(): number[] {
    return [...this.#slots.values()].sort((a, b) => this.added[a]! - this.added[b]!);
  }

  /** A slot that was let go and can be used again. */
  get free(): number | undefined {
    return this.#free.at(-1);
  }

  /** Gives a slot to an id, which has none: a new one, or `free`. */
  add(id: VectorId, slot: number): void {
    if (slot === this.free) this.#free.pop();
    this.#ids[slot] = id;
    this.added[slot] = this.#additions++;
    this.#slots.set(id, slot);
  }

  /** Takes an id's slot from it; undefined if it has none. */
  remove(id: VectorId): number | undefined {
    const slot = this.#slots.get(id);
    this.#slots.delete(id);
    return slot;
  }

  /** Lets a slot be used again. */
  release(slot: number): void {
    this.#free.push(slot);
  }
}
