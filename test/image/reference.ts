/** Pillow's resize of RGB bytes (Resample.c, ImagingResample with BICUBIC), plainly: two passes, each rounded to bytes. */
import type { RawImage } from '../../src/image/raw-image.ts';

const BITS = 22;

/** bicubic_filter with a = -0.5. */
function bicubic(at: number): number {
  const a = -0.5;
  const x = Math.abs(at);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** precompute_coeffs and normalize_coeffs_8bpc: first source index and integer weights of each output index. */
function coefficients(size: number, target: number): { first: number; weights: number[] }[] {
  const scale = size / target;
  const filterScale = Math.max(scale, 1);
  const support = 2 * filterScale;
  return Array.from({ length: target }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(size, Math.trunc(center + support + 0.5));
    const raw = Array.from({ length: end - first }, (_, x) => bicubic((x + first - center + 0.5) / filterScale));
    const sum = raw.reduce((a, b) => a + b, 0);
    const weights = raw.map((w) => {
      const k = (w / sum) * 2 ** BITS;
      return Math.trunc(k < 0 ? k - 0.5 : k + 0.5);
    });
    return { first, weights };
  });
}

const clip = (sum: number) => Math.max(0, Math.min(255, Math.floor(sum / 2 ** BITS)));

/** `image` resized to width x height, RGB. */
export function pillowResize(image: RawImage, width: number, height: number): Uint8Array {
  const { data, channels } = image;
  const across = width === image.width ? undefined : coefficients(image.width, width);
  const wide = new Uint8Array(width * image.height * 3);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const value = (at: number) => data[(y * image.width + at) * channels + c]!;
        const taps = across?.[x];
        const sum = taps?.weights.reduce((total, w, i) => total + w * value(taps.first + i), 2 ** (BITS - 1));
        wide[(y * width + x) * 3 + c] = sum === undefined ? value(x) : clip(sum);
      }
    }
  }
  if (height === image.height) return wide;
  const out = new Uint8Array(width * height * 3);
  coefficients(image.height, height).forEach(({ first, weights }, y) => {
    for (let i = 0; i < width * 3; i++) {
      const sum = weights.reduce((total, w, j) => total + w * wide[(first + j) * width * 3 + i]!, 2 ** (BITS - 1));
      out[y * width * 3 + i] = clip(sum);
    }
  });
  return out;
}
