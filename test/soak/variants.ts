/** Seeded variants of a picture: windows of it, flipped or not, brighter or darker. */
import { png } from '../../src/png-file.ts';
import type { Random } from '../kernels/random.ts';

/** Side of the pictures that variants are cut from. */
export const SIDE = 320;

/** @param pixels RGB, SIDE x SIDE */
export function variant(pixels: Uint8Array, random: Random): Uint8Array {
  const size = random.integer(SIDE * 0.6, SIDE);
  const [left, top] = [random.integer(0, SIDE - size), random.integer(0, SIDE - size)];
  const [flipped, factor] = [random.next() < 0.5, 0.7 + 0.6 * random.next()];
  const data = new Uint8Array(size * size * 3);
  for (let y = 0, to = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = ((top + y) * SIDE + left + (flipped ? size - 1 - x : x)) * 3;
      for (let c = 0; c < 3; c++) data[to++] = Math.min(255, Math.round(pixels[from + c]! * factor));
    }
  }
  return png(data, size, size);
}
