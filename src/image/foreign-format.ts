/** Names for files that people try and this package does not read, so that the error says what to do with them. */
import { hasText } from '../bytes.ts';
import { isoBrands } from './iso-boxes.ts';

const TO_JPEG = 'convert it to JPEG';
const TO_PNG = 'convert it to PNG';
const RENDER = 'render it to PNG';
const RAW = 'a camera raw file: export it as JPEG';
const FRAME = 'a video: save a frame of it as JPEG';
const UNPACK = 'unpack it first';

/** Signatures as Latin-1 text at an offset. The first that matches counts. */
const SIGNATURES: readonly (readonly [name: string, advice: string, at: number, ...texts: string[]])[] = [
  ['GIF', 'convert it to PNG; of an animation, save a frame', 0, 'GIF87a', 'GIF89a'],
  ['JPEG XL', TO_JPEG, 0, '\xff\x0a', '\0\0\0\x0cJXL '],
  ['JPEG 2000', TO_JPEG, 0, '\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'],
  ['Canon CR2', RAW, 8, 'CR\x02\0'],
  ['Fujifilm RAF', RAW, 0, 'FUJIFILMCCD-RAW'],
  ['Olympus ORF', RAW, 0, 'IIRO', 'IIRS', 'MMOR'],
  ['Panasonic RW2', RAW, 0, 'IIU\0'],
  ['Sigma X3F', RAW, 0, 'FOVb'],
  ['Photoshop (PSD)', RENDER, 0, '8BPS'],
  ['GIMP (XCF)', RENDER, 0, 'gimp xcf'],
  ['PDF', RENDER, 0, '%PDF'],
  ['PostScript (EPS)', RENDER, 0, '%!PS', '\xc5\xd0\xd3\xc6'],
  ['icon (ICO)', TO_PNG, 0, '\0\0\x01\0', '\0\0\x02\0', 'icns'],
  ['PNM (PPM, PGM, PBM)', TO_PNG, 0, 'P1\n', 'P2\n', 'P3\n', 'P4\n', 'P5\n', 'P6\n', 'P7\n'],
  ['QOI', TO_PNG, 0, 'qoif'],
  ['OpenEXR', TO_PNG, 0, '\x76\x2f\x31\x01'],
  ['Radiance HDR', TO_PNG, 0, '#?RADIANCE', '#?RGBE'],
  ['DirectDraw surface (DDS)', TO_PNG, 0, 'DDS '],
  ['DICOM', TO_PNG, 128, 'DICM'],
  ['MNG', 'save a frame of it as PNG', 0, '\x8aMNG', '\x8bJNG'],
  ['QuickTime (MOV)', FRAME, 4, 'moov', 'mdat', 'wide'],
  ['Matroska or WebM', FRAME, 0, '\x1a\x45\xdf\xa3'],
  ['AVI', FRAME, 8, 'AVI '],
  ['ZIP', UNPACK, 0, 'PK\x03\x04'],
  ['gzip', UNPACK, 0, '\x1f\x8b'],
  ['BMP', TO_PNG, 0, 'BM'],
];

/** Brands of an ISO base media file (ISO/IEC 14496-12, box `ftyp`): the first group of which one is listed counts. */
const BRANDS: readonly (readonly [name: string, advice: string, ...brands: string[]])[] = [
  ['Canon CR3', RAW, 'crx '],
  ['HEIF', TO_JPEG, 'mif1', 'mif2', 'msf1'],
  ['QuickTime (MOV)', FRAME, 'qt  '],
];

/** Raw formats that are TIFF files with a thumbnail first, by the maker. */
const TIFF_RAW: readonly (readonly [name: string, maker: RegExp])[] = [
  ['Nikon NEF', /^nikon/i],
  ['Sony ARW', /^sony/i],
  ['Pentax PEF', /^(pentax|ricoh)/i],
  ['Samsung SRW', /^samsung/i],
];

/** What the bytes look like, and what to do with such a file. */
export function foreignFormat(bytes: Uint8Array): string {
  const looksLike = (name: string, advice: string) => `it looks like ${name} (${advice})`;
  if (hasText(bytes, 4, 'ftyp')) return looksLike(...isoMedia(bytes));
  for (const [name, advice, at, ...texts] of SIGNATURES) {
    if (texts.some((text) => hasText(bytes, at, text))) return looksLike(name, advice);
  }
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((text) => hasText(bytes, 0, text))) return looksLike(...tiff(bytes));
  const start = String.fromCharCode(...bytes.subarray(0, 512)).replace(/^\xef\xbb\xbf/, '');
  const tag = /^\s*</.test(start) ? /<(!doctype\s+)?(svg|html|head|body)\b/i.exec(start)?.[2] : undefined;
  if (tag !== undefined) return /svg/i.test(tag) ? looksLike('SVG', RENDER) : 'it looks like an HTML page';
  if (/^version https:\/\/git-lfs/.test(start)) return looksLike('a Git LFS pointer', 'run git lfs pull');
  if (/^data:image\/|^(\/9j\/|iVBORw0KGgo|UklGR)/.test(start))
    return looksLike('Base64 text', 'decode it to bytes first');
  const hex = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const printable = /^[\t\r\n\x20-\x7e]+$/.test(start);
  return `${printable ? 'it looks like text' : 'unknown format'} (${bytes.length} bytes, beginning ${hex})`;
}

function isoMedia(bytes: Uint8Array): readonly [name: string, advice: string] {
  const brands = isoBrands(bytes);
  const found = BRANDS.find(([, , ...names]) => names.some((name) => brands.has(name)));
  return found ? [found[0], found[1]] : ['MP4 video', FRAME];
}

/** Tags of a TIFF directory: reduced picture, maker, DNG version. */
const SUBFILE_TYPE = 0x00fe;
const MAKE = 0x010f;
const DNG_VERSION = 0xc612;

/** A TIFF file, or a camera's raw file in TIFF's structure. */
function tiff(bytes: Uint8Array): readonly [name: string, advice: string] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[0] === 0x49;
  const directory = bytes.length >= 8 ? view.getUint32(4, little) : 0;
  const entries = directory > 0 && directory + 2 <= bytes.length ? view.getUint16(directory, little) : 0;
  let maker = '';
  let thumbnail = false;
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + 12 * i;
    if (at + 12 > bytes.length) break;
    const tag = view.getUint16(at, little);
    if (tag === DNG_VERSION) return ['DNG', RAW];
    if (tag === SUBFILE_TYPE) thumbnail = (view.getUint32(at + 8, little) & 1) === 1;
    if (tag !== MAKE) continue;
    const text = view.getUint32(at + 8, little);
    maker = String.fromCharCode(...bytes.subarray(text, text + 16));
  }
  const raw = TIFF_RAW.find(([, makers]) => makers.test(maker));
  return thumbnail && raw ? [raw[0], RAW] : ['TIFF', TO_PNG];
}
