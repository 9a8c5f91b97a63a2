/** A set of names too many for a `Set`, which ends at 16.7 million: 100 million need 2.1 GB, and for a moment a half more. */
import { createHash } from 'node:crypto';

/** Words of 32 bits that stand for a name: with 128 bits, two of 100 million names are taken for one in 1 of 10^23 cases. */
const WORDS = 4;
const FIRST_SLOTS = 1 << 10;

/** Open addressing: a name's slot is the first free one from where its hash points to. */
export class NameSet {
  #slots = new Uint32Array(FIRST_SLOTS * WORDS);
  size = 0;

  /** False if it has the name already. */
  add(name: string): boolean {
    // UTF-16, since names that are not UTF-8 have lone surrogates.
    const digest = createHash('sha256').update(Buffer.from(name, 'utf16le')).digest();
    const words = Uint32Array.from({ length: WORDS }, (_, i) => digest.readUInt32LE(4 * i));
    words[0]! |= 1; // a slot of zeros is free
    if (!place(this.#slots, words)) return false;
    this.size++;
    if (this.size * WORDS > 0.75 * this.#slots.length) this.#grow();
    return true;
  }

  #grow(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    for (let at = 0; at < this.#slots.length; at += WORDS) {
      if (this.#slots[at] !== 0) place(slots, this.#slots.subarray(at, at + WORDS));
    }
    this.#slots = slots;
  }
}

/** False if the words have a slot. */
function place(slots: Uint32Array, words: Uint32Array): boolean {
  const count = slots.length / WORDS; // a power of two
  for (let slot = words[1]! % count; ; slot = (slot + 1) % count) {
    const at = slot * WORDS;
    if (slots[at] === 0) {
      slots.set(words, at);
      return true;
    }
    if (words.every((word, i) => slots[at + i] === word)) return false;
  }
}
