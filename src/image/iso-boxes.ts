/** Boxes of an ISO base media file (ISO/IEC 14496-12, 4.2), as far as AVIF and HEIC need them. */
import { hasText } from '../bytes.ts';

/** Where a box's content is. */
export interface Box {
  readonly start: number;
  readonly end: number;
}

/** A cursor over big-endian numbers; behind the end of its box there are zeros. */
export class BoxReader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, box: Box) {
    this.#bytes = bytes;
    this.at = box.start;
    this.#end = box.end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end;
  }

  /** An unsigned number of `size` bytes, 0 to 8. */
  uint(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++, this.at++) value = value * 256 + (this.at < this.#end ? this.#bytes[this.at]! : 0);
    return value;
  }
}

/** Boxes beside each other that are looked at: cameras write some hundreds, for the tiles of a picture. */
const MOST_BOXES = 65_536;

/** The first boxes in `inside`, in order. Ends at one that is damaged. */
export function* boxes(bytes: Uint8Array, inside: Box): Generator<Box & { readonly type: string }> {
  for (let at = inside.start, count = 0; at + 8 <= inside.end && count < MOST_BOXES; count++) {
    const reader = new BoxReader(bytes, { start: at, end: inside.end });
    let size = reader.uint(4);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    reader.at += 4;
    if (size === 1) size = reader.uint(8);
    else if (size === 0) size = inside.end - at;
    if (at + size < reader.at) return;
    yield { type, start: reader.at, end: Math.min(inside.end, at + size) };
    at += size;
  }
}

/** The first box at the path, e.g. `meta/iprp/ipco`. The version and flags of `meta` are passed over. */
export function findBox(bytes: Uint8Array, path: string, inside: Box = wholeFile(bytes)): Box | undefined {
  const [type, ...rest] = path.split('/');
  for (const box of boxes(bytes, inside)) {
    if (box.type !== type) continue;
    const content = type === 'meta' ? { start: box.start + 4, end: box.end } : box;
    if (rest.length === 0) return content;
    return findBox(bytes, rest.join('/'), content);
  }
  return undefined;
}

const wholeFile = (bytes: Uint8Array): Box => ({ start: 0, end: bytes.length });

/** The brands of a file that begins with a box `ftyp`: the major one is at 8, the compatible ones are from 16 to its end. */
export function isoBrands(bytes: Uint8Array): ReadonlySet<string> {
  const brands = new Set<string>();
  if (!hasText(bytes, 4, 'ftyp')) return brands;
  const size = new BoxReader(bytes, wholeFile(bytes)).uint(4);
  const end = Math.min(bytes.length, size, 256);
  for (let at = 8; at + 4 <= Math.max(end, Math.min(12, bytes.length)); at += at === 8 ? 8 : 4) {
    brands.add(String.fromCharCode(...bytes.subarray(at, at + 4)));
  }
  return brands;
}
