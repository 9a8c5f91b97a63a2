/** Numbers that are the same in every engine and every run: a 32-bit mixing generator (mulberry32) on integers only. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** f32 in [-size, size). */
  floats(n: number, size = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: n }, () => (this.next() * 2 - 1) * size);
  }

  /** f32 in [low, high). */
  between(n: number, low: number, high: number): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: n }, () => low + this.next() * (high - low));
  }

  int16(n: number, largest: number): Int16Array<ArrayBuffer> {
    return Int16Array.from({ length: n }, () => this.integer(-largest, largest));
  }

  bytes(n: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: n }, () => this.integer(0, 255));
  }
}
