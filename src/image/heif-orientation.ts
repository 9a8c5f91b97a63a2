/** How an AVIF is turned (HEIF, ISO/IEC 23008-12): by the properties of its picture, or by XMP. */
import { exifOrientation } from './exif.ts';
import { boundedParts, itemData } from './heif-items.ts';
import { type Box, BoxReader, boxes, findBox } from './iso-boxes.ts';
import { orientationOf } from './orientation.ts';

/** Turns of 90 degrees against the clock (`irot`) and, after them, a mirror (`imir`), as EXIF's orientation: what Pillow 13 makes of them. */
const ORIENTATIONS: readonly (readonly [plain: number, topToBottom: number, leftToRight: number])[] = [
  [1, 4, 2],
  [8, 5, 7],
  [3, 2, 4],
  [6, 7, 5],
];

/**
 * The orientation, 1 to 8, of an AVIF. As in Pillow 13 the properties count, whatever EXIF says; XMP counts where neither they
 * nor EXIF say anything.
 */
export function avifOrientation(bytes: Uint8Array, meta: Box): number {
  const turn = turnOfProperties(bytes, meta);
  if (turn !== 1) return turn;
  const last = (type: string) => [...itemData(bytes, meta, type, boundedParts(bytes))].at(-1);
  const exif = last('Exif')?.subarray(4); // behind the offset of its header
  if (exif && exifOrientation(exif) !== undefined) return 1;
  return orientationOf({ exif: undefined, xmp: last('application/rdf+xml') });
}

/** The turn that the primary item's properties ask for (9.3.1, 6.5.10, 6.5.12). */
function turnOfProperties(bytes: Uint8Array, meta: Box): number {
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
