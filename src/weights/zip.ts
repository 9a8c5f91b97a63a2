/**
 * The directory of a zip archive (PKWARE APPNOTE.TXT 6.3.10, with zip64), for archives whose entries are stored without
 * compression, as PyTorch writes them. Nothing is ever inflated or extracted: an entry is a range of the file.
 */
import { ClipError } from '../errors.ts';
import { show } from '../json.ts';
import type { Source } from './source.ts';

/** An entry's place, as the central directory tells it. */
export interface ZipEntry {
  readonly name: string;
  /** Where its local header begins. */
  readonly headerOffset: number;
  /** Where the next entry's header begins, or the directory. */
  readonly end: number;
  /** Bytes of its content. */
  readonly byteLength: number;
  /** Whether the content lies in the file as it is: neither compressed nor encrypted. */
  readonly stored: boolean;
}

const LOCAL_HEADER = { signature: 0x04034b50, bytes: 30 };
const CENTRAL_HEADER = { signature: 0x02014b50, bytes: 46 };
const END = { signature: 0x06054b50, bytes: 22 };
const END64 = { signature: 0x06064b50, bytes: 56 };
const LOCATOR64 = { signature: 0x07064b50, bytes: 20 };

/** The end record may be followed by a comment of this many bytes. */
const MAX_COMMENT = 0xffff;
/** The largest published checkpoints have some thousand tensors, and about 100 bytes for each. */
const MAX_DIRECTORY = 16_000_000;
const MAX_ENTRIES = 100_000;

/** The value that says that the real one is in the zip64 record. */
const IN_ZIP64 = { u16: 0xffff, u32: 0xffff_ffff };

/** The entries of an archive, by name. */
export class ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #source: Source;

  private constructor(source: Source, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source;
    this.entries = entries;
  }

  /**
   * Reads the directory at the archive's end.
   * @throws ClipError `WEIGHTS_FORMAT` if it is damaged, truncated or hostile; `IO` if it cannot be read
   */
  static async open(source: Source, signal?: AbortSignal): Promise<ZipArchive> {
    const { offset, byteLength, count } = await findDirectory(source, signal);
    const bytes = await read(source, offset, byteLength, signal);
    return new ZipArchive(source, readDirectory(bytes, count, offset, source.name));
  }

  /** @throws ClipError `WEIGHTS_FORMAT` if an entry is compressed or encrypted */
  requireStored({ name, stored }: ZipEntry): void {
    if (stored) return;
    failure(this.#source.name)(
      `has the entry ${show(name)} compressed or encrypted; PyTorch stores entries as they are: save it again`,
    );
  }

  /**
   * Where an entry's content begins in the file, by its local header.
   * @throws ClipError `WEIGHTS_FORMAT` if the header is damaged
   */
  async contentOffset({ name, headerOffset, byteLength, end }: ZipEntry, signal?: AbortSignal): Promise<number> {
    const fail = failure(this.#source.name);
    const header = view(await read(this.#source, headerOffset, LOCAL_HEADER.bytes, signal));
    if (header.getUint32(0, true) !== LOCAL_HEADER.signature) {
      fail(`is damaged: entry ${show(name)} does not begin where the archive's directory says`);
    }
    const content = headerOffset + LOCAL_HEADER.bytes + header.getUint16(26, true) + header.getUint16(28, true);
    if (content + byteLength > end) {
      fail(`is damaged: entry ${show(name)} ends at ${content + byteLength}, what follows it begins at ${end}`);
    }
    return content;
  }

  /**
   * An entry's bytes.
   * @throws ClipError as `contentOffset`, for a compressed entry, and for more than `most` bytes
   */
  async read(entry: ZipEntry, most: number, signal?: AbortSignal): Promise<Uint8Array> {
    const { name, byteLength } = entry;
    this.requireStored(entry);
    const offset = await this.contentOffset(entry, signal);
    if (byteLength > most) {
      failure(this.#source.name)(`has ${byteLength} bytes in its entry ${show(name)}, expected at most ${most}`);
    }
    return read(this.#source, offset, byteLength, signal);
  }
}

interface Directory {
  readonly offset: number;
  readonly byteLength: number;
  readonly count: number;
}

/** The place of the central directory, by the record at the end of the file. */
async function findDirectory(source: Source, signal?: AbortSignal): Promise<Directory> {
  const fail = failure(source.name);
  // PyTorch writes no comment: more is read only of an archive that has one.
  const found = (await findEnd(source, 0, signal)) ?? (await findEnd(source, MAX_COMMENT, signal));
  if (!found) return fail('is truncated: it begins as a zip archive does, but has no end record');
  const { tail, at, tailOffset } = found;
  let directory = {
    count: tail.getUint16(at + 10, true),
    byteLength: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  let end = tailOffset + at;
  const { count, byteLength, offset } = directory;
  if (count === IN_ZIP64.u16 || byteLength === IN_ZIP64.u32 || offset === IN_ZIP64.u32) {
    const locatorOffset = end - LOCATOR64.bytes;
    if (locatorOffset < 0) fail('is damaged: it has no zip64 record');
    const locator = view(await read(source, locatorOffset, LOCATOR64.bytes, signal));
    end = uint64(locator, 8);
    const inside = locator.getUint32(0, true) === LOCATOR64.signature && end + END64.bytes <= locatorOffset;
    const record = inside ? view(await read(source, end, END64.bytes, signal)) : undefined;
    if (record?.getUint32(0, true) !== END64.signature) fail('is damaged: it has no zip64 record');
    directory = { count: uint64(record!, 32), byteLength: uint64(record!, 40), offset: uint64(record!, 48) };
  }
  if (directory.offset + directory.byteLength > end) fail('is damaged: its directory reaches past its end record');
  if (directory.byteLength > MAX_DIRECTORY || directory.count > MAX_ENTRIES) {
    fail(
      `has a directory of ${directory.count} entries in ${directory.byteLength} bytes, ` +
        `expected at most ${MAX_ENTRIES} in ${MAX_DIRECTORY}`,
    );
  }
  return directory;
}

/** The end record, if no more than `most` bytes of comment follow it: at `at` in the file's last bytes. */
async function findEnd(source: Source, most: number, signal?: AbortSignal) {
  const tailBytes = Math.min(source.byteLength, END.bytes + most);
  const tailOffset = source.byteLength - tailBytes;
  const tail = view(await read(source, tailOffset, tailBytes, signal));
  for (let at = tailBytes - END.bytes; at >= 0; at--) {
    const isEnd = tail.getUint32(at, true) === END.signature && at + END.bytes + tail.getUint16(at + 20, true) === tailBytes; // biome-ignore format: one line
    if (isEnd) return { tail, at, tailOffset };
  }
  return undefined;
}

function readDirectory(bytes: Uint8Array, count: number, end: number, file: string): Map<string, ZipEntry> {
  const fail = failure(file);
  const records = view(bytes);
  const decoder = new TextDecoder();
  const entries = new Map<string, Mutable<ZipEntry>>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const complete = at + CENTRAL_HEADER.bytes <= bytes.byteLength;
    if (!complete || records.getUint32(at, true) !== CENTRAL_HEADER.signature) {
      fail(`is damaged: entry ${i + 1} of ${count} in its directory is not one`);
    }
    const nameBytes = records.getUint16(at + 28, true);
    const extraBytes = records.getUint16(at + 30, true);
    const next = at + CENTRAL_HEADER.bytes + nameBytes + extraBytes + records.getUint16(at + 32, true);
    if (next > bytes.byteLength) fail(`is damaged: entry ${i + 1} of ${count} reaches past its directory`);
    const nameEnd = at + CENTRAL_HEADER.bytes + nameBytes;
    const name = decoder.decode(bytes.subarray(at + CENTRAL_HEADER.bytes, nameEnd));
    if (!isPlainPath(name)) fail(`has an entry named ${show(name)}, which is not a path inside the archive`);
    if (entries.has(name)) fail(`is damaged: it has the entry ${show(name)} twice`);
    const sizes = entrySizes(records, at, nameEnd, nameEnd + extraBytes);
    if (!sizes) return fail(`is damaged: entry ${show(name)} has no zip64 sizes`);
    const { compressed, byteLength, headerOffset } = sizes;
    const plain = records.getUint16(at + 10, true) === 0 && (records.getUint16(at + 8, true) & 1) === 0;
    if (plain && compressed !== byteLength) {
      fail(`is damaged: entry ${show(name)} is stored as it is, but has ${byteLength} bytes in ${compressed}`);
    }
    if (headerOffset + LOCAL_HEADER.bytes + nameBytes + compressed > end) {
      fail(`is damaged: entry ${show(name)} of ${compressed} bytes reaches into the archive's directory`);
    }
    entries.set(name, { name, headerOffset, end, byteLength, stored: plain });
    at = next;
  }
  placeInOrder([...entries.values()], fail);
  return entries;
}

/** Sizes and place of an entry; those that do not fit 32 bits are in its zip64 field, in this order. */
function entrySizes(records: DataView, at: number, extra: number, extraEnd: number) {
  const plain = [records.getUint32(at + 24, true), records.getUint32(at + 20, true), records.getUint32(at + 42, true)];
  const values = [...plain];
  if (plain.includes(IN_ZIP64.u32)) {
    let field = extra;
    while (field + 4 <= extraEnd && records.getUint16(field, true) !== 1)
      field += 4 + records.getUint16(field + 2, true);
    const fieldEnd = field + 4 <= extraEnd ? Math.min(extraEnd, field + 4 + records.getUint16(field + 2, true)) : field;
    field += 4;
    for (const [i, value] of plain.entries()) {
      if (value !== IN_ZIP64.u32) continue;
      if (field + 8 > fieldEnd) return undefined;
      values[i] = uint64(records, field);
      field += 8;
    }
  }
  return { byteLength: values[0]!, compressed: values[1]!, headerOffset: values[2]! };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Tells each entry where it ends. Entries that share bytes are how a small archive claims to be a large one. */
function placeInOrder(entries: Mutable<ZipEntry>[], fail: Fail): void {
  entries.sort((a, b) => a.headerOffset - b.headerOffset);
  for (const [i, { name, headerOffset }] of entries.entries()) {
    const before = entries[i - 1];
    if (!before) continue;
    const least = before.headerOffset + LOCAL_HEADER.bytes + (before.stored ? before.byteLength : 0);
    if (headerOffset < least) fail(`is damaged: its entries ${show(before.name)} and ${show(name)} overlap`);
    before.end = headerOffset;
  }
}

/** Whether a name stays inside: names are never used as paths here, but such an archive was made to harm. */
function isPlainPath(name: string): boolean {
  return name !== '' && !/^([/\\]|[A-Za-z]:)|\\|\0|(^|\/)\.\.(\/|$)/.test(name);
}

type Fail = (message: string) => never;

function failure(name: string): Fail {
  return (message) => {
    throw new ClipError('WEIGHTS_FORMAT', `"${name}" ${message}`);
  };
}

async function read(source: Source, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await source.readInto(offset, bytes, signal);
  return bytes;
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What is too large to be exact is only compared with the file's length. */
const uint64 = (bytes: DataView, at: number) => Number(bytes.getBigUint64(at, true));
