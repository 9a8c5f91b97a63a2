/** Items of an AVIF or HEIC file (ISO/IEC 14496-12, 8.11): how they are coded, and where their data are. */
import { concatenate } from '../bytes.ts';
import { ClipError } from '../errors.ts';
import { type Box, BoxReader, boxes, findBox } from './iso-boxes.ts';

/** The bytes from `start` on; `length` 0 means all that follow. */
export type Part = (start: number, length: number) => Uint8Array;

/**
 * The parts of a file, together no more than twice its length.
 * @throws ClipError IMAGE_FORMAT if items share their data so often that reading them would take longer than decoding
 */
export function boundedParts(bytes: Uint8Array): Part {
  let left = 2 * bytes.length;
  return (start, length) => {
    const data = bytes.subarray(start, length === 0 ? bytes.length : start + length);
    left -= data.length;
    if (left < 0) throw new ClipError('IMAGE_FORMAT', 'damaged AVIF: its items overlap');
    return data;
  };
}

/** The data of the items of a type, as `itemTypes` gives it. */
export function* itemData(bytes: Uint8Array, meta: Box, type: string, part: Part): Generator<Uint8Array> {
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
    const isWanted = types.get(id) === type;
    const parts: Uint8Array[] = [];
    for (let j = 0; j < extents && !reader.isAtEnd; j++) {
      if (version > 0) reader.uint(indexSize);
      const offset = reader.uint(offsetSize);
      const length = reader.uint(lengthSize);
      if (isWanted) parts.push(part(base + offset, length));
    }
    if (parts.length === 1) yield parts[0]!;
    else if (parts.length > 1) yield concatenate(parts);
  }
}

/** How each item is coded (8.11.6), by its number: four letters, of a file of another kind (`mime`) its content type. */
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
    const type = String.fromCharCode(...bytes.subarray(reader.at, reader.at + 4));
    types.set(id, type === 'mime' ? contentType(bytes, { start: reader.at + 4, end: box.end }) : type);
  }
  return types;
}

/** The second of two texts that each end in zero. */
function contentType(bytes: Uint8Array, box: Box): string {
  const [, type = ''] = String.fromCharCode(...bytes.subarray(box.start, Math.min(box.end, box.start + 512))).split(
    '\0',
  );
  return type;
}
