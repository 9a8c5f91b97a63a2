/** Damage to picture files: what transfers, disks and attackers do to them, by numbers that follow from a seed. */
import { crc32 } from '../src/crc32.ts';

/** A number from 0 to below `below`. */
export type Random = (below: number) => number;

/** mulberry32. */
export function randomOf(start: number): Random {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A damaged copy of `good`; `other` is a file from which parts may come. */
export function damaged(good: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes = good.slice();
  for (let left = 1 + random(4); left > 0 && bytes.length > 0; left--) {
    bytes = CHANGES[random(CHANGES.length)]!(bytes, random, other).slice();
  }
  if (isPng(bytes) && random(2) === 0) repairSums(bytes);
  return bytes;
}

/** The bytes in pieces, as a network delivers them: some of one byte, some empty, some long. */
export function piecesOf(bytes: Uint8Array, random: Random): Uint8Array[] {
  const longest = [1, 3, 20, 300, 5000][random(5)]!;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = random(longest + 1);
    pieces.push(bytes.slice(at, at + length));
    at += length;
  }
  return pieces;
}

type Change = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const CHANGES: readonly Change[] = [
  (bytes, random) => {
    const at = random(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << random(8));
    return bytes;
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random(6)]!;
    return bytes;
  },
  (bytes, random) => {
    bytes[random(bytes.length)] = random(256);
    return bytes;
  },
  // A marker, or a length, in the middle of something else.
  (bytes, random) => {
    const at = random(bytes.length);
    bytes.set([0xff, 0xc0 + random(64)].slice(0, bytes.length - at), at);
    return bytes;
  },
  // A number of 16 or 32 bits at its limits.
  (bytes, random) => {
    const at = random(bytes.length);
    const value = [0, 1, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff][random(8)]!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const little = random(2) === 0;
    if (random(2) === 0 && at + 4 <= bytes.length) view.setUint32(at, value, little);
    else if (at + 2 <= bytes.length) view.setUint16(at, value & 0xffff, little);
    return bytes;
  },
  // The head of a part: lengths, sizes, tables, bands of a scan.
  (bytes, random) => {
    const starts = partsOf(bytes);
    const at = starts[random(starts.length)]! + random(24);
    if (at < bytes.length) bytes[at] = random(256);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random(bytes.length)),
  (bytes, random) => {
    const at = random(bytes.length);
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random(40)));
  },
  (bytes, random) => {
    const at = random(bytes.length);
    const from = random(bytes.length);
    return joined(bytes.subarray(0, at), bytes.subarray(from, from + random(300)), bytes.subarray(at));
  },
  (bytes, random) => bytes.fill([0, 0xff, random(256)][random(3)]!, random(bytes.length)),
  (bytes, random) => {
    const [from, length] = [random(bytes.length), random(64)];
    return bytes.fill([0, 0xff, random(256)][random(3)]!, from, from + length);
  },
  // A part is lost, or comes twice, or at another place.
  (bytes, random) => {
    const starts = [...partsOf(bytes), bytes.length];
    const part = random(starts.length - 1);
    const [start, end] = [starts[part]!, starts[part + 1]!];
    const without = joined(bytes.subarray(0, start), bytes.subarray(end));
    const to = random(2) === 0 ? starts[random(starts.length)]! : start;
    const target = [without, bytes][random(2)]!;
    return random(4) === 0 ? without : joined(target.subarray(0, to), bytes.subarray(start, end), target.subarray(to));
  },
  // A part of another file.
  (bytes, random, other) => {
    const [here, there] = [partsOf(bytes), [...partsOf(other), other.length]];
    const at = here[random(here.length)]!;
    const part = random(there.length - 1);
    return joined(bytes.subarray(0, at), other.subarray(there[part], there[part + 1]), bytes.subarray(at));
  },
  // The beginning of this file and the end of another.
  (bytes, random, other) => joined(bytes.subarray(0, random(bytes.length)), other.subarray(random(other.length))),
];

/** Where the segments of a JPEG, the chunks of a PNG or WebP, or the outermost boxes of an AVIF or HEIC begin. */
function partsOf(bytes: Uint8Array): number[] {
  const starts = [0];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] === 0xff) {
    for (let at = 2; at + 1 < bytes.length; at++) {
      const code = bytes[at + 1]!;
      if (bytes[at] === 0xff && code >= 0xc0 && code < 0xff) starts.push(at);
    }
    return starts;
  }
  const riff = bytes[0] === 0x52;
  const png = isPng(bytes);
  for (let at = riff ? 12 : png ? 8 : 0; at + 8 <= bytes.length; ) {
    starts.push(at);
    if (riff) at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1);
    else at += png ? 12 + view.getUint32(at) : Math.max(8, view.getUint32(at));
  }
  return starts;
}

const isPng = (bytes: Uint8Array): boolean => bytes[0] === 0x89;

/** Makes the chunks' checksums right, so that the damage behind them is seen. */
function repairSums(png: Uint8Array): void {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 12 <= png.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > png.length) return;
    view.setUint32(end, crc32(png.subarray(at + 4, end)));
    at = end + 4;
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
