/**
 * What an AVIF or HEIC file says before it is decoded (HEIF, ISO/IEC 23008-12; AV1 Image File Format 1.2): how large its
 * pictures are, and how the first is turned.
 */

import { concatenate } from '../bytes.ts';
import { ClipError } from '../errors.ts';
import { av1Size, type Size } from './av1-size.ts';
import { type Box, BoxReader, boxes, findBox, isoBrands } from './iso-boxes.ts';

export type HeifKind = 'avif' | 'heic';

/** What to install for each, within the range of package.json. */
export const PACKAGES = { avif: 'icodec@0.6', heic: 'libheif-js@1' } as const;

export interface HeifHeader {
  /** The largest picture that the file names or that its data announce: what decoding may cost. */
  readonly largest: Size;
  /** The turn of the primary picture, 1 (upright) to 8, as EXIF counts them. */
  readonly orientation: number;
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
  return { largest, orientation: meta ? orientationOf(bytes, meta) : 1 };
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
 * The data of every item (ISO/IEC 14496-12, 8.11.3) and the first picture of every track. Parts of other kinds are among them;
 * what they seem to say of a size does no harm unless it is large.
 * @throws ClipError IMAGE_FORMAT if items share their data so often that reading them would take longer than decoding
 */
function* codedData(bytes: Uint8Array, meta: Box | undefined): Generator<Uint8Array> {
  let budget = 2 * bytes.length;
  const part = (start: number, length: number) => {
    const data = bytes.subarray(start, length === 0 ? bytes.length : start + length);
    budget -= data.length;
    if (budget < 0) throw new ClipError('IMAGE_FORMAT', 'damaged AVIF: its items overlap');
    return data;
  };
  if (meta) yield* itemData(bytes, meta, part);
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

type Part = (start: number, length: number) => Uint8Array;

function* itemData(bytes: Uint8Array, meta: Box, part: Part): Generator<Uint8Array> {
  const locations = findBox(bytes, 'iloc', meta);
  if (!locations) return;
  const types = itemTypes(bytes, meta);
  const insideData = findBox(bytes, 'idat', meta)?.start ?? 0;
  const reader = new BoxReader(bytes, locations);
  const version = reader.uint(1);
  reader.uint(3);
  const sizes = reader.uint(2);
  const [offsetSize, lengthSize, baseSize, indexSize] = [12, 8, 4, 0].map((shift) => (sizes >> shift) & 15) as [number, number, number, number]; // biome-ignore format: one line
  const idSize = version < 2 ? 2 : 4;
  const count = reader.uint(idSize);
  for (let i = 0; i < count && !reader.isAtEnd; i++) {
    const id = reader.uint(idSize);
    const isInside = version > 0 && (reader.uint(2) & 15) === 1;
    reader.uint(2); // data_reference_index
    const base = reader.uint(baseSize) + (isInside ? insideData : 0);
    // Extents that take no bytes here are all the same.
    const extents = Math.min(reader.uint(2), offsetSize + lengthSize > 0 ? Number.POSITIVE_INFINITY : 1);
    const isCoded = types.get(id) === 'av01';
    const parts: Uint8Array[] = [];
    for (let j = 0; j < extents && !reader.isAtEnd; j++) {
      if (version > 0) reader.uint(indexSize);
      const offset = reader.uint(offsetSize);
      const length = reader.uint(lengthSize);
      if (isCoded) parts.push(part(base + offset, length));
    }
    if (parts.length === 1) yield parts[0]!;
    else if (parts.length > 1) yield concatenate(parts);
  }
}

/** How each item is coded (8.11.6), by its number. */
function itemTypes(bytes: Uint8Array, meta: Box): ReadonlyMap<number, string> {
  const types = new Map<number, string>();
  const infos = findBox(bytes, 'iinf', meta);
  if (!infos) return types;
  const version = bytes[infos.start] ?? 0;
  for (const box of boxes(bytes, { start: infos.start + (version === 0 ? 6 : 8), end: infos.end })) {
    const reader = new BoxReader(bytes, box);
    const idSize = reader.uint(1) === 3 ? 4 : 2;
    reader.uint(3);
    const id = reader.uint(idSize);
    reader.uint(2);
    types.set(id, String.fromCharCode(...bytes.subarray(reader.at, reader.at + 4)));
  }
  return types;
}

/** Turns of 90 degrees against the clock (`irot`) and, after them, a mirror (`imir`), as EXIF's orientation: what Pillow 13 makes of them. */
const ORIENTATIONS: readonly (readonly [plain: number, topToBottom: number, leftToRight: number])[] = [
  [1, 4, 2],
  [8, 5, 7],
  [3, 2, 4],
  [6, 7, 5],
];

/** The turn that the primary item's properties ask for (9.3.1, 6.5.10, 6.5.12). */
function orientationOf(bytes: Uint8Array, meta: Box): number {
  const primary = findBox(bytes, 'pitm', meta);
  const properties = findBox(bytes, 'iprp/ipco', meta);
  const associations = findBox(bytes, 'iprp/ipma', meta);
  if (!primary || !properties || !associations) return 1;
  const item = new BoxReader(bytes, primary);
  const itemSize = item.uint(1) === 0 ? 2 : 4;
  item.uint(3);
  const indices = associatedProperties(bytes, associations, item.uint(itemSize));
  let turns = 0;
  let mirror = 0;
  let index = 0;
  for (const box of boxes(bytes, properties)) {
    index++;
    if (!indices.has(index)) continue;
    if (box.type === 'irot') turns = (bytes[box.start] ?? 0) & 3;
    if (box.type === 'imir') mirror = 1 + ((bytes[box.start] ?? 0) & 1);
  }
  return ORIENTATIONS[turns]![mirror]!;
}

/** Which properties an item has, counted from 1. */
function associatedProperties(bytes: Uint8Array, associations: Box, wanted: number): ReadonlySet<number> {
  const indices = new Set<number>();
  const reader = new BoxReader(bytes, associations);
  const idSize = reader.uint(1) < 1 ? 2 : 4;
  const wide = (reader.uint(3) & 1) === 1;
  const count = reader.uint(4);
  for (let i = 0; i < count && !reader.isAtEnd; i++) {
    const id = reader.uint(idSize);
    const properties = reader.uint(1);
    for (let j = 0; j < properties; j++) {
      const index = wide ? reader.uint(2) & 0x7fff : reader.uint(1) & 0x7f;
      if (id === wanted) indices.add(index);
    }
  }
  return indices;
}
