// A picture of 12 megapixels as files: JPEG (4:2:0), baseline and progressive, and PNG. Soft shapes and as much noise as
// gives the JPEG the 2.6 MB of a phone's. Made once, in some seconds, and kept in build/.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';

const WIDTH = 4000;
const HEIGHT = 3000;
/** Pixels between two values of the soft shapes, and how far the noise goes. */
const CELL = 50;
const NOISE = 13;
const QUALITY = 90;
/** Up to this quality of the chroma the encoder halves it in both directions, and from that one it does not. */
const HALVES_CHROMA = 79;
const KEEPS_CHROMA = 90;
const FOLDER = new URL('../build/large-photo/', import.meta.url);

/** @type {{ readonly [name: string]: (pixels: Uint8Array) => Promise<Uint8Array> | Uint8Array }} */
const WRITERS = {
  'baseline.jpg': (pixels) => jpeg(pixels, false),
  'progressive.jpg': (pixels) => jpeg(pixels, true),
  'photo.png': png,
};

/** Makes the files that are missing. @returns {Promise<(name: string) => string>} paths by name */
export async function largePhoto() {
  const path = (/** @type {string} */ name) => fileURLToPath(new URL(name, FOLDER));
  const missing = Object.keys(WRITERS).filter((name) => !existsSync(path(name)));
  if (missing.length > 0) {
    mkdirSync(FOLDER, { recursive: true });
    const pixels = draw();
    for (const name of missing) {
      writeFileSync(path(`${name}.partial`), await WRITERS[name](pixels));
      renameSync(path(`${name}.partial`), path(name));
    }
  }
  return path;
}

/** @returns {Promise<Uint8Array>} */
export const largePhotoBytes = async (/** @type {string} */ name) =>
  new Uint8Array(readFileSync((await largePhoto())(name)));

/** u8[HEIGHT, WIDTH, 3]: values on a grid, straight lines between them, and noise. */
function draw() {
  let state = 18;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const columns = Math.ceil(WIDTH / CELL) + 1;
  const grid = Uint8Array.from({ length: (Math.ceil(HEIGHT / CELL) + 1) * columns * 3 }, () => 256 * random());
  const pixels = new Uint8ClampedArray(WIDTH * HEIGHT * 3);
  for (let y = 0, i = 0; y < HEIGHT; y++) {
    const row = Math.floor(y / CELL);
    const down = (y % CELL) / CELL;
    for (let x = 0; x < WIDTH; x++) {
      const at = (row * columns + Math.floor(x / CELL)) * 3;
      const right = (x % CELL) / CELL;
      const noise = NOISE * (random() + random() - 1);
      for (let c = 0; c < 3; c++, i++) {
        const above = grid[at + c] * (1 - right) + grid[at + c + 3] * right;
        const below = grid[at + c + columns * 3] * (1 - right) + grid[at + c + columns * 3 + 3] * right;
        pixels[i] = above * (1 - down) + below * down + noise;
      }
    }
  }
  return new Uint8Array(pixels.buffer);
}

const jpeg = (/** @type {Uint8Array} */ data, /** @type {boolean} */ progressive) =>
  encodeJpeg({ data, width: WIDTH, height: HEIGHT }, { quality: QUALITY, halved: true, progressive });

/**
 * A JPEG by mozjpeg, with the standard's tables. `halved`: the chroma is, in both directions.
 * @param {{ data: Uint8Array | Uint8ClampedArray, width: number, height: number }} picture u8[height, width, 3]
 * @param {{ quality: number, halved: boolean, progressive?: boolean }} options
 * @returns {Promise<Uint8Array>}
 */
export async function encodeJpeg({ data: pixels, width, height }, { quality, halved, progressive = false }) {
  const { jpeg: codec } = await import('icodec/node');
  await codec.loadEncoder();
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0, to = 0; i < pixels.length; i += 3, to += 4) {
    data[to] = pixels[i];
    data[to + 1] = pixels[i + 1];
    data[to + 2] = pixels[i + 2];
  }
  const chromaQuality = halved ? Math.min(quality, HALVES_CHROMA) : Math.max(quality, KEEPS_CHROMA);
  const tables = { quantTable: 0, separateChromaQuality: true, chromaQuality };
  return codec.encode({ data, width, height, depth: 8 }, { quality, ...tables, progressive, baseline: !progressive });
}

/** Every row with the filter "Sub", as most programs would choose for such a picture. */
function png(/** @type {Uint8Array} */ pixels) {
  const row = 3 * WIDTH;
  const rows = new Uint8Array(HEIGHT * (1 + row));
  for (let y = 0; y < HEIGHT; y++) {
    const to = y * (1 + row);
    rows[to] = 1;
    for (let x = 0; x < row; x++) rows[to + 1 + x] = pixels[y * row + x] - (x < 3 ? 0 : pixels[y * row + x - 3]);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunks = [['IHDR', header], ['IDAT', deflateSync(rows)], ['IEND', Buffer.alloc(0)]]; // biome-ignore format: one line
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks.map(([type, body]) => chunk(type, body))]);
}

function chunk(/** @type {string} */ type, /** @type {Buffer} */ body) {
  const bytes = Buffer.alloc(12 + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(body, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + body.length)), 8 + body.length);
  return bytes;
}
