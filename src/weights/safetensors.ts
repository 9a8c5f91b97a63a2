/**
 * The safetensors format (github.com/huggingface/safetensors, "Format"): 8 bytes with the header's length N, N bytes of
 * JSON, then the tensors' bytes. The reader is as strict as the published Rust code: no gaps, no overlaps, nothing
 * after the last tensor. Only the header is read here; src/weights/elements.ts reads tensors.
 */
import { ClipError } from '../errors.ts';
import { isObject } from '../json.ts';
import { describeForeign, FOREIGN_BYTES } from './foreign.ts';
import { brokenLimit } from './json-limits.ts';
import type { Source } from './source.ts';
import type { TensorFile, TensorInfo } from './tensor-file.ts';

export interface SafetensorsFile extends TensorFile {
  /** By name, in the order in which their bytes follow each other. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Where the first tensor's bytes begin, counted from the start of the file. */
  readonly dataOffset: number;
}

/** What `writeSafetensors` takes. */
export interface TensorData {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Little-endian elements, row-major. */
  readonly data: Uint8Array;
}

/** Bytes of a header at most. Published files have less than 1 MB; the published reader allows 100 MB. */
const MAX_HEADER = 25_000_000;

/** Entries have three levels and about eight commas; unknown fields may have more. */
const HEADER_LIMITS = { depth: 8, commas: 300_000 };
/** A header of at most so many bytes is parsed without a look at its limits: it can do no harm. */
const SMALL_HEADER = 65_536;

/** Bytes of an element. Types that are packed below a byte, and ones that do not exist yet, are not in the table. */
const ELEMENT_BYTES: ReadonlyMap<string, number> = new Map([
  ...['BOOL', 'U8', 'I8', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0'].map((dtype) => [dtype, 1] as const),
  ...['U16', 'I16', 'F16', 'BF16'].map((dtype) => [dtype, 2] as const),
  ...['U32', 'I32', 'F32'].map((dtype) => [dtype, 4] as const),
  ...['U64', 'I64', 'F64', 'C64'].map((dtype) => [dtype, 8] as const),
]);

/**
 * Reads and checks the header of a safetensors file.
 * A tensor of unknown element type is not an error here: files carry tensors that are not needed, such as I64 `position_ids`.
 * @throws ClipError `WEIGHTS_FORMAT` if the file is of another format, truncated, or its header contradicts itself;
 *   `IO` if it cannot be read.
 * @param options.head what `readHead` gave, if it is read already
 */
export async function readSafetensorsHeader(
  source: Source,
  { signal, head }: { signal?: AbortSignal | undefined; head?: Uint8Array } = {},
): Promise<SafetensorsFile> {
  head ??= await readHead(source, signal);
  const dataOffset = headerEnd(head, source.byteLength, source.name);
  let bytes = head.subarray(8, dataOffset);
  if (8 + bytes.byteLength < dataOffset) {
    bytes = new Uint8Array(dataOffset - 8);
    await source.readInto(8, bytes, signal);
  }
  return parseHeader(bytes, source.byteLength, source.name);
}

/** The first bytes of a file, by which formats are told apart. */
export async function readHead(source: Source, signal?: AbortSignal): Promise<Uint8Array> {
  const head = new Uint8Array(Math.min(source.byteLength, FOREIGN_BYTES));
  await source.readInto(0, head, signal);
  return head;
}

/**
 * Reads and checks the header of a safetensors file that is in memory, whole.
 * @throws ClipError `WEIGHTS_FORMAT`, as `readSafetensorsHeader` does.
 */
export function parseSafetensorsHeader(file: Uint8Array, name: string): SafetensorsFile {
  const dataOffset = headerEnd(file.subarray(0, FOREIGN_BYTES), file.byteLength, name);
  return parseHeader(file.subarray(8, dataOffset), file.byteLength, name);
}

/** Where the header ends, from the file's first bytes. */
function headerEnd(head: Uint8Array, byteLength: number, name: string): number {
  const fail = failure(name);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const length = head.byteLength < 9 ? 0 : Number(view.getBigUint64(0, true));
  // Other formats are considered only once this one is excluded: a header of the right length can begin as gzip does.
  if (length > MAX_HEADER && length + 8 <= byteLength && head[8] === 0x7b) {
    fail(`has a header of ${length} bytes, expected at most ${MAX_HEADER}`);
  }
  if (length < 2 || length > MAX_HEADER || head[8] !== 0x7b /* { */) {
    fail(
      describeForeign(head) ??
        `is not a safetensors file: after 8 bytes with the header's length (here ${length}) a JSON object should come`,
    );
  }
  const dataOffset = 8 + length;
  if (dataOffset > byteLength) {
    fail(`is truncated: the header alone needs ${dataOffset} bytes, the file has ${byteLength}`);
  }
  return dataOffset;
}

/** From the header's JSON to the checked list of tensors. */
function parseHeader(bytes: Uint8Array, byteLength: number, name: string): SafetensorsFile {
  const fail = failure(name);
  const dataOffset = 8 + bytes.byteLength;
  const broken = bytes.byteLength > SMALL_HEADER ? brokenLimit(bytes, HEADER_LIMITS) : undefined;
  if (broken !== undefined) fail(`has a header that is not accepted: ${broken}`);
  let header: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
    // If it is written as it was read, no key was lost; other spellings of the same header are searched.
    const twice = JSON.stringify(header) === text.trimEnd() ? undefined : duplicateKey(text);
    if (twice !== undefined) fail(`is damaged: its header has the key ${JSON.stringify(twice)} twice`);
  } catch (error) {
    if (error instanceof ClipError) throw error;
    fail(`is damaged: its header is not valid JSON (${(error as Error).message})`, error);
  }

  const metadata: Record<string, string> = Object.create(null);
  const tensors: TensorInfo[] = [];
  for (const [key, entry] of Object.entries(header as Record<string, unknown>)) {
    if (key !== '__metadata__') {
      tensors.push(readEntry(key, entry, dataOffset, fail));
    } else if (!isObject(entry) || Object.values(entry).some((value) => typeof value !== 'string')) {
      fail('is damaged: __metadata__ in its header must map strings to strings');
    } else {
      Object.assign(metadata, entry);
    }
  }
  // An empty tensor may share its offset with the next one, so it has to come before that.
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkLayout(tensors, dataOffset, byteLength, fail);
  return { name, metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), dataOffset };
}

/** Bytes of one element of a type, or undefined if the type is not known. */
export function elementBytes(dtype: string): number | undefined {
  return ELEMENT_BYTES.get(dtype);
}

type Fail = (message: string, cause?: unknown) => never;

/** Throws an error that begins with the file's name. */
function failure(name: string): Fail {
  return (message, cause) => {
    throw new ClipError('WEIGHTS_FORMAT', `"${name}" ${message}`, cause === undefined ? {} : { cause });
  };
}

function readEntry(name: string, entry: unknown, dataOffset: number, fail: Fail): TensorInfo {
  const damaged = (what: string) => fail(`is damaged: tensor ${JSON.stringify(name)} in its header ${what}`);
  if (!isObject(entry)) return damaged('is not an object');
  const { dtype, shape, data_offsets: range } = entry;
  if (typeof dtype !== 'string') return damaged('has no dtype');
  if (!isCounts(shape)) return damaged(`has the shape ${brief(shape)}, expected non-negative integers`);
  if (!isCounts(range) || range.length !== 2 || range[0] > range[1]) {
    return damaged(`has the data_offsets ${brief(range)}, expected [begin, end]`);
  }
  let elements = 1;
  for (const size of shape) {
    elements *= size;
    if (!Number.isSafeInteger(elements)) return damaged(`has the shape ${brief(shape)}, which is too large`);
  }
  const byteLength = range[1] - range[0];
  const size = ELEMENT_BYTES.get(dtype);
  if (size !== undefined && elements * size !== byteLength) {
    return damaged(`has ${byteLength} bytes, but its shape ${brief(shape)} in ${dtype} needs ${elements * size} bytes`);
  }
  return { name, dtype, shape, offset: dataOffset + range[0], byteLength };
}

/** The tensors, sorted by offset, must tile the rest of the file. */
function checkLayout(tensors: readonly TensorInfo[], dataOffset: number, fileLength: number, fail: Fail): void {
  let end = dataOffset;
  const quoted = (i: number) => (i < 0 ? 'the header' : `tensor ${JSON.stringify(tensors[i].name)}`);
  for (let i = 0; i < tensors.length; i++) {
    const { offset, byteLength } = tensors[i];
    if (offset < end) fail(`is damaged: ${quoted(i)} overlaps ${quoted(i - 1)} by ${end - offset} bytes`);
    if (offset > end) {
      fail(`is damaged: there is a gap of ${offset - end} bytes between ${quoted(i - 1)} and ${quoted(i)}`);
    }
    end = offset + byteLength;
  }
  if (end > fileLength) fail(`is truncated: expected ${end} bytes, got ${fileLength}`);
  if (end < fileLength) fail(`has ${fileLength - end} bytes after the last tensor: expected ${end}, got ${fileLength}`);
}

/**
 * Lays tensors out as a safetensors file: the parts, one after the other, are its bytes. The tensors' data are not
 * copied and keep their order. The header is padded with spaces so that the data begin at a multiple of `align` bytes
 * (default 64, a cache line; a tensor inside is aligned as far as the lengths of those before it are).
 * @throws TypeError if a name comes twice or the data's length does not fit dtype and shape.
 */
export function writeSafetensors(
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>> = {},
  { align = 64 }: { align?: number } = {},
): Uint8Array[] {
  for (const { name, dtype, shape, data } of tensors) {
    const expected = byteLengthOf(dtype, shape);
    if (expected === data.byteLength) continue;
    throw new TypeError(`tensor ${name}: ${dtype} ${brief(shape)} needs ${expected} bytes, got ${data.byteLength}`);
  }
  return [safetensorsHeader(tensors, metadata, align), ...tensors.map(({ data }) => data)];
}

/**
 * The header of such a file, for data that are written piece by piece.
 * @throws TypeError if a name comes twice
 */
export function safetensorsHeader(
  tensors: readonly Omit<TensorData, 'data'>[],
  metadata: Readonly<Record<string, string>> = {},
  align = 64,
): Uint8Array<ArrayBuffer> {
  // The object is put together as text, because an object of JavaScript would move keys like "0" to the front.
  const members: string[] = [];
  const names = new Set(['__metadata__']);
  if (Object.keys(metadata).length > 0) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name)) throw new TypeError(`tensor name ${JSON.stringify(name)} is reserved or comes twice`);
    names.add(name);
    const end = offset + byteLengthOf(dtype, shape);
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const dataOffset = Math.ceil((8 + json.byteLength) / align) * align;
  const header = new Uint8Array(dataOffset).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(dataOffset - 8), true);
  header.set(json, 8);
  return header;
}

const byteLengthOf = (dtype: string, shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, ELEMENT_BYTES.get(dtype) ?? Number.NaN);

/**
 * The first key that comes twice in one object of a valid JSON text. `JSON.parse` keeps the last one silently, and two
 * readers that disagree on which one counts would load different models from one file.
 */
function duplicateKey(json: string): string | undefined {
  const objects: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '{') objects.push(new Set());
    else if (character === '}') objects.pop();
    else if (character === '"') {
      const begin = at++;
      while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      let next = at + 1;
      while (' \t\n\r'.includes(json[next])) next++;
      if (json[next] !== ':') continue;
      const name: string = JSON.parse(json.slice(begin, at + 1));
      const keys = objects[objects.length - 1];
      if (keys.has(name)) return name;
      keys.add(name);
    }
  }
  return undefined;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** A JSON value on one line, cut. */
function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
