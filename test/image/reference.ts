/** Reference for the resize of Pillow 13 (Resample.c, ImagingResample with BICUBIC): two passes, each rounded to bytes. */
import type { CropGeometry } from '../../src/image/geometry.ts';
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

/** Bytes of RGB, rows from top to bottom. */
interface Rgb {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** ImagingResampleHorizontal_8bpc. */
function horizontal({ data, width, height }: Rgb, target: number): Rgb {
  const out = new Uint8Array(target * height * 3);
  for (const [x, { first, weights }] of coefficients(width, target).entries()) {
    for (let y = 0; y < height; y++) {
      for (let c = 0; c < 3; c++) {
        let sum = 2 ** (BITS - 1);
        for (let i = 0; i < weights.length; i++) sum += weights[i]! * data[(y * width + first + i) * 3 + c]!;
        out[(y * target + x) * 3 + c] = clip(sum);
      }
    }
  }
  return { data: out, width: target, height };
}

/** ImagingResampleVertical_8bpc. */
function vertical({ data, width, height }: Rgb, target: number): Rgb {
  const out = new Uint8Array(width * target * 3);
  for (const [y, { first, weights }] of coefficients(height, target).entries()) {
    for (let x = 0; x < width * 3; x++) {
      let sum = 2 ** (BITS - 1);
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * data[(first + i) * width * 3 + x]!;
      out[y * width * 3 + x] = clip(sum);
    }
  }
  return { data: out, width, height: target };
}

/** `image` resized to width x height, RGB: ImagingResampleInner of Pillow 13, or in the given order. */
export function pillowResize(
  image: RawImage,
  width: number,
  height: number,
  order: { verticalFirst?: boolean } = {},
): Uint8Array {
  const data = new Uint8Array(image.width * image.height * 3);
  for (let i = 0; i < data.length; i++) data[i] = image.data[Math.floor(i / 3) * image.channels + (i % 3)]!;
  const rgb = { data, width: image.width, height: image.height };
  const across = (from: Rgb) => (width === from.width ? from : horizontal(from, width));
  const down = (from: Rgb) => (height === from.height ? from : vertical(from, height));
  const condition = rgb.height - height > 0 && rgb.height - height > (rgb.width - width) * 2;
  return (order.verticalFirst ?? condition) ? across(down(rgb)).data : down(across(rgb)).data;
}

/** The crop of `image` that `geometry` asks for: RGB bytes. */
export function pillowCrop(image: RawImage, g: CropGeometry, order: { verticalFirst?: boolean } = {}): Uint8Array {
  const resized = pillowResize(image, g.resizedWidth, g.resizedHeight, order);
  const crop = new Uint8Array(g.size * g.size * 3);
  for (let y = 0; y < g.size; y++) {
    const from = ((g.top + y) * g.resizedWidth + g.left) * 3;
    crop.set(resized.subarray(from, from + g.size * 3), y * g.size * 3);
  }
  return crop;
}
