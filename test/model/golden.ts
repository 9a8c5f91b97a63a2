/** Reads test/golden (its README tells how the files were made) and says how far a vector is from another. */
import { readFileSync } from 'node:fs';

export const goldenPath = (name: string) => new URL(`../golden/${name}`, import.meta.url).pathname;

export interface Sketch {
  shape: number[];
  mean: number;
  abs_mean: number;
  first8: number[];
}

export interface Expected {
  config: { image_resolution: number };
  token_ids: number[][];
  image_embedding: number[];
  text_embeddings: number[][];
  logits_per_image: number[];
  activations: Record<string, Sketch>;
}

export const readGolden = <T = Expected>(name: string): T => JSON.parse(readFileSync(goldenPath(name), 'utf8'));

/** The synthetic picture: u8[y][x][c] = (3x + 5y + 71c + ((x*y)>>4) + ((x*x)>>5)) & 255. */
export function syntheticPicture(size: number): { data: Uint8Array; width: number; height: number } {
  const data = new Uint8Array(size * size * 3);
  let i = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++) data[i++] = (3 * x + 5 * y + 71 * c + ((x * y) >> 4) + ((x * x) >> 5)) & 255;
    }
  }
  return { data, width: size, height: size };
}

/** The vector divided by its length, in f64. */
export function normalized(vector: ArrayLike<number>): number[] {
  const values = Array.from(vector);
  const length = Math.hypot(...values);
  return values.map((v) => v / length);
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [x, y] = [normalized(a), normalized(b)];
  return x.reduce((sum, v, i) => sum + v * y[i]!, 0);
}

/** Largest absolute difference of two normalized vectors. */
export function largestError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [x, y] = [normalized(a), normalized(b)];
  return Math.max(...x.map((v, i) => Math.abs(v - y[i]!)));
}

/** [size, size, channels] as torch's [channels, size, size], in which the sketches of a ResNet are. */
export function channelsFirst(values: Float32Array, [lines, columns, channels]: readonly number[]): Float32Array {
  const pixels = lines! * columns!;
  return values.map((_, i) => values[(i % pixels) * channels! + Math.floor(i / pixels)]!);
}

/** How far activations are from their sketch: differences of mean, mean magnitude and first values, relative to the mean magnitude. */
export function sketchError(sketch: Sketch, values: Float32Array): number {
  let sum = 0;
  let magnitude = 0;
  for (const v of values) {
    sum += v;
    magnitude += Math.abs(v);
  }
  const n = values.length;
  const errors = [
    sum / n - sketch.mean,
    magnitude / n - sketch.abs_mean,
    ...sketch.first8.map((v, i) => values[i]! - v),
  ];
  return Math.max(...errors.map(Math.abs)) / sketch.abs_mean;
}
