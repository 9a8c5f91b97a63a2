/** Pictures that tests of the API share, good and bad. */
import { readFileSync } from 'node:fs';
import { crc32 } from '../../src/crc32.ts';
import { utf8 } from './checkpoint.ts';

/** A file below test/golden, as a Uint8Array of its own (a Buffer is one, too, but of another class). */
export const golden = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../golden/${path}`, import.meta.url)));

export const photo = golden('preprocess/inputs/photo_0.jpg');

/** Three formats, several sizes. */
export const pictures: readonly Uint8Array[] = [
  photo,
  ...[
    'jpeg_gray_310x240.jpg',
    'rgb_97x61.png',
    'rgba_260x300.png',
    'palette_240x240.png',
    'webp_lossless_320x256.webp',
  ].map((name) => golden(`preprocess/inputs/${name}`)),
];

/** A PNG that ends after its header, which claims this size. */
export function pngHeader(width: number, height: number): Uint8Array {
  const bytes = new Uint8Array(33);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]);
  bytes.set(utf8('IHDR'), 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  bytes.set([8, 2, 0, 0, 0], 24);
  view.setUint32(29, crc32(bytes.subarray(12, 29)));
  return bytes;
}

/** The JPEG with a frame header that says arithmetic coding. */
function arithmeticCoded(jpeg: Uint8Array): Uint8Array {
  const bytes = jpeg.slice();
  const at = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1]! >= 0xc0 && bytes[i + 1]! <= 0xc2);
  bytes[at + 1] = 0xc9;
  return bytes;
}

/** What is not a picture, with the code of its error and a word of its message. */
export const badPictures: readonly [name: string, bytes: Uint8Array, code: string, message: RegExp][] = [
  ['no bytes', new Uint8Array(0), 'IMAGE_FORMAT', /empty \(0 bytes\)/],
  ['a text', utf8('hello'), 'IMAGE_FORMAT', /not a JPEG, PNG or WebP.*text/],
  ['a web page', utf8('<!doctype html><html></html>'), 'IMAGE_FORMAT', /HTML page/],
  ['a GIF', utf8('GIF89a\x01\0\x01\0'), 'IMAGE_FORMAT', /GIF/],
  ['a PNG of 0 x 0', pngHeader(0, 0), 'IMAGE_FORMAT', /0 x 0/],
  ['a PNG that claims 30,000 x 30,000', pngHeader(30_000, 30_000), 'IMAGE_TOO_LARGE', /30000 x 30000/],
  ['a PNG that ends after its header', pngHeader(20, 10), 'IMAGE_TRUNCATED', /truncated/],
  ['a JPEG in arithmetic coding', arithmeticCoded(photo), 'IMAGE_FORMAT', /arithmetic-coded/],
  ['R09: half a JPEG', photo.subarray(0, photo.length >> 1), 'IMAGE_TRUNCATED', /truncated/],
  ['R09: 90 % of a JPEG', photo.subarray(0, Math.floor(photo.length * 0.9)), 'IMAGE_TRUNCATED', /truncated/],
  ['R09: a JPEG without its last two bytes', photo.subarray(0, -2), 'IMAGE_TRUNCATED', /truncated/],
  ['the first 100 bytes of a JPEG', photo.subarray(0, 100), 'IMAGE_TRUNCATED', /truncated/],
  ['half a WebP', pictures[5].subarray(0, pictures[5].length >> 1), 'IMAGE_TRUNCATED', /truncated/],
  ['half a PNG', pictures[3].subarray(0, pictures[3].length >> 1), 'IMAGE_TRUNCATED', /truncated/],
];
