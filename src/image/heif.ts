/**
 * What an AVIF or HEIC file says before it is decoded (HEIF, ISO/IEC 23008-12; AV1 Image File Format 1.2): how large its
 * pictures are, and how the first is turned.
 */

import { ClipError } from '../errors.ts';
import { av1Size, type Size } from './av1-size.ts';
import { boundedParts, itemData } from './heif-items.ts';
import { avifOrientation } from './heif-orientation.ts';
import { type Box, BoxReader, boxes, findBox, isoBrands } from './iso-boxes.ts';

export type HeifKind = 'avif' | 'heic';

/** What to install for each, within the range of package.json. */
export const PACKAGES = { avif: 'icodec@0.6', heic: 'libheif-js@1.23' } as const;

export interface HeifHeader {
  /** The largest picture that the file names or that its data announce: what decoding may cost. */
  readonly largest: Size;
  /** The orientation in which an AVIF's primary picture is stored, 1 (upright) to 8, as EXIF counts them. */
  orientation(): number;
}

const HEIC_BRANDS = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs'];

/** Which of the two a file is, by the brands it begins with; for those that only say HEIF, by how its pictures are coded. */
export function heifKind(bytes: Uint8Array): HeifKind | undefined {
  const brands = isoBrands(bytes);
  if (brands.has('avif') || brands.has('avis')) return 'avif';
  if (HEIC_BRANDS.some((brand) => brands.has(brand))) return 'heic';
  if (!['mif1', 'mif2', 'msf1'].some((brand) => brands.has(brand))) return undefined;
  const properties = findBox(bytes, 'meta/iprp/ipco');
  if (!properties) return undefined;
  for (const { type } of boxes(bytes, properties)) {
    if (type === 'av1C') return 'avif';
    if (type === 'hvcC') return 'heic';
  }
  return undefined;
}

/** @throws ClipError IMAGE_FORMAT or IMAGE_TRUNCATED */
export function readHeifHeader(kind: HeifKind, bytes: Uint8Array): HeifHeader {
  const meta = findBox(bytes, 'meta');
  const track = meta ? undefined : findBox(bytes, 'moov/trak');
  if (!meta && !track) {
    // What comes first is the type and then, in all files that are known, what describes the pictures.
    const cut = bytes.length < 64;
    throw new ClipError(
      cut ? 'IMAGE_TRUNCATED' : 'IMAGE_FORMAT',
      cut
        ? `truncated ${kind.toUpperCase()}: the file ends after ${bytes.length} bytes`
        : `damaged ${kind.toUpperCase()}: there is no picture in it`,
    );
  }
  let largest: Size = { width: 0, height: 0 };
  const see = (size: Size) => {
    if (size.width * size.height > largest.width * largest.height) largest = size;
  };
  if (meta) for (const size of spatialExtents(bytes, meta)) see(size);
  if (kind === 'avif') for (const data of codedData(bytes, meta)) see(av1Size(data));
  return { largest, orientation: () => (meta ? avifOrientation(bytes, meta) : 1) };
}

/** The sizes of pictures (6.5.3). */
function* spatialExtents(bytes: Uint8Array, meta: Box): Generator<Size> {
  const properties = findBox(bytes, 'iprp/ipco', meta);
  if (!properties) return;
  for (const box of boxes(bytes, properties)) {
    if (box.type !== 'ispe') continue;
    const reader = new BoxReader(bytes, box);
    reader.uint(4);
    yield { width: reader.uint(4), height: reader.uint(4) };
  }
}

/**
 * The data of every AV1 picture (ISO/IEC 14496-12, 8.11.3), and the first sample of every track, also of other kinds: what such
 * a sample seems to say of a size does no harm unless it is large.
 */
function* codedData(bytes: Uint8Array, meta: Box | undefined): Generator<Uint8Array> {
  const part = boundedParts(bytes);
  if (meta) yield* itemData(bytes, meta, 'av01', part);
  const movie = findBox(bytes, 'moov');
  if (!movie) return;
  for (const box of boxes(bytes, movie)) {
    if (box.type !== 'trak') continue;
    for (const [table, size] of [
      ['stco', 4],
      ['co64', 8],
    ] as const) {
      // biome-ignore format: one line
      const chunks = findBox(bytes, `mdia/minf/stbl/${table}`, box);
      if (!chunks) continue;
      const reader = new BoxReader(bytes, chunks);
      reader.uint(8);
      // How long the first picture is stands elsewhere; its sequence header is at its beginning.
      yield part(reader.uint(size), 4096);
    }
  }
}
