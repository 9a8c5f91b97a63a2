// The synthetic picture of test/golden/README.md, as raw bytes and as the tensors the peers take.
const SIDE = 224;
export const CLIP = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };
export const HALF = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** @returns {{ data: Uint8Array, width: number, height: number, channels: 3 }} */
export function rawPicture() {
  const data = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0, i = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (let c = 0; c < 3; c++) data[i++] = (3 * x + 5 * y + 71 * c + ((x * y) >> 4) + ((x * x) >> 5)) & 255;
    }
  }
  return { data, width: SIDE, height: SIDE, channels: 3 };
}

/** Planar (channel, row, column), normalized. */
export function pixelValues({ mean, std }) {
  const { data } = rawPicture();
  const plane = SIDE * SIDE;
  const values = new Float32Array(3 * plane);
  for (let i = 0; i < data.length; i++) {
    const c = i % 3;
    values[c * plane + (i - c) / 3] = (data[i] / 255 - mean[c]) / std[c];
  }
  return values;
}
