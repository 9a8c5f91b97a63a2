/**
 * Position embeddings for another image size, as OpenCLIP's `resize_pos_embed` makes them (src/open_clip/model.py): the grid is resized
 * by torch's bicubic with anti-aliasing, whose taps are Pillow's (Keys' cubic with a = -0.5, widened by the scale when the grid
 * shrinks). Sums are in double precision and in fixed order, so the bits are the same everywhere.
 */
import { Taps } from '../image/taps.ts';
import type { PositionGrid } from '../model/slots.ts';

/** A table [1 + trained * trained, width], the class token's position first, as [1 + size * size, width]. */
export function resizePositions(table: Float32Array, { trained, size }: PositionGrid): Float32Array {
  if (trained === size) return table;
  const width = table.length / (1 + trained * trained);
  const out = new Float32Array((1 + size * size) * width);
  out.set(table.subarray(0, width));
  const taps = new Taps(trained, size);
  const across = new Float64Array(trained * size * width); // [trained, size, width]: columns are resized
  for (let x = 0; x < size; x++) {
    const count = taps.fill(x);
    const first = taps.first(x);
    for (let y = 0; y < trained; y++) {
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (let t = 0; t < count; t++) sum += taps.weights[t]! * table[(1 + y * trained + first + t) * width + i]!;
        across[(y * size + x) * width + i] = sum;
      }
    }
  }
  for (let y = 0; y < size; y++) {
    const count = taps.fill(y);
    const first = taps.first(y);
    for (let i = 0; i < size * width; i++) {
      let sum = 0;
      for (let t = 0; t < count; t++) sum += taps.weights[t]! * across[(first + t) * size * width + i]!;
      out[(1 + y * size) * width + i] = sum;
    }
  }
  return out;
}
