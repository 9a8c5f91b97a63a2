/**
 * Names of a tar file's members by their bytes: a decoder of text would make one name of all that are not UTF-8. They, and where each
 * member begins, are read beside modern-tar, which reads the rest (POSIX.1-2024, pax: ustar and pax headers; GNU tar's long names).
 */
import { nameFromBytes } from '../file-name.ts';

const BLOCK = 512;
/** Where a header has a field, and its bytes. */
const NAME = [0, 100] as const;
const SIZE = [124, 12] as const;
const LINK = [157, 100] as const;
const MAGIC = [257, 6] as const;
const PREFIX = [345, 155] as const;
const TYPE = 156;
const PAX = 120; // x
const GLOBAL_PAX = 103; // g
const GNU_NAME = 76; // L
const GNU_LINK = 75; // K
/** Links, devices, folders and pipes: nothing follows their header. */
const BODYLESS = new Set([49, 50, 51, 52, 53, 54]);
/** A name has less; what is longer is not kept. */
const MOST_BYTES = 1 << 20;

const decoder = new TextDecoder();

/** A member as its headers have it. */
interface Member {
  readonly name: Uint8Array;
  readonly link: Uint8Array;
  /** Where its body begins in the file. */
  readonly start: number;
}

export class TarNames {
  /** Members that were seen and not yet asked for. */
  readonly #members: Member[] = [];
  /** Bytes before what is looked at. */
  #at = 0;
  /** What is collected: a header, or the body of a header that is about the next member. */
  #wanted = new Uint8Array(BLOCK);
  #filled = 0;
  /** Bytes that say nothing of names. */
  #skipped = 0;
  /** The header whose body is collected. */
  #about: { readonly type: number; readonly size: number } | undefined;
  /** What the headers before a member say of it. */
  #next: { name?: Uint8Array; link?: Uint8Array; size?: number } = {};

  /** Lets the file's bytes pass, and sees them. */
  passing(): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({
      transform: (piece, controller) => {
        this.#see(piece);
        controller.enqueue(piece);
      },
    });
  }

  /**
   * The next member.
   * @param decoded its name as modern-tar gives it, which counts unless there are bytes in it that are not UTF-8
   * @param link what it is a link to, if it is one, as modern-tar gives it
   * @returns also where its bytes begin in the file, unless it is another one than modern-tar has
   */
  take(
    decoded: string,
    link = '',
  ): { readonly name: string; readonly link: string; readonly start: number | undefined } {
    const member = this.#members.shift();
    if (!member || decoder.decode(member.name) !== decoded) return { name: decoded, link, start: undefined };
    return { name: exact(decoded, member.name), link: exact(link, member.link), start: member.start };
  }

  #see(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#skipped > 0) {
        const bytes = Math.min(this.#skipped, piece.length - at);
        this.#skipped -= bytes;
        this.#at += bytes;
        at += bytes;
        continue;
      }
      const part = piece.subarray(at, at + this.#wanted.length - this.#filled);
      this.#wanted.set(part, this.#filled);
      this.#filled += part.length;
      this.#at += part.length;
      at += part.length;
      if (this.#filled === this.#wanted.length) this.#take(this.#wanted);
    }
  }

  #take(block: Uint8Array): void {
    const about = this.#about;
    this.#about = undefined;
    this.#want(BLOCK);
    if (about) this.#readAbout(about, block.subarray(0, about.size));
    else if (block.some((byte) => byte !== 0)) this.#readHeader(block);
  }

  #want(bytes: number): void {
    this.#wanted = new Uint8Array(bytes);
    this.#filled = 0;
  }

  #readHeader(block: Uint8Array): void {
    const type = block[TYPE]!;
    const size = number(field(block, SIZE));
    if ([PAX, GNU_NAME, GNU_LINK, GLOBAL_PAX].includes(type)) {
      if (type === GLOBAL_PAX || size > MOST_BYTES || size === 0) this.#skipped = padded(size);
      else {
        this.#about = { type, size };
        this.#want(padded(size));
      }
      return;
    }
    const own = text(field(block, NAME));
    const prefix = Buffer.from(field(block, MAGIC)).toString('latin1') === 'ustar\0' ? text(field(block, PREFIX)) : own.subarray(0, 0); // biome-ignore format: one line
    const name = this.#next.name ?? (prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), own]) : own);
    const link = this.#next.link ?? text(field(block, LINK));
    this.#members.push({ name: name.slice(), link, start: this.#at });
    this.#skipped = BODYLESS.has(type) ? 0 : padded(this.#next.size ?? size);
    this.#next = {};
  }

  #readAbout({ type }: { readonly type: number }, body: Uint8Array): void {
    if (type === GNU_NAME) this.#next.name = text(body);
    else if (type === GNU_LINK) this.#next.link = text(body);
    else
      for (const [key, value] of paxRecords(body)) {
        if (key === 'path') this.#next.name = value;
        if (key === 'linkpath') this.#next.link = value;
        if (key === 'size') this.#next.size = Number(Buffer.from(value).toString('latin1'));
      }
  }
}

/** A decoded name, or its bytes where they are not UTF-8. */
const exact = (decoded: string, bytes: Uint8Array): string =>
  decoded.includes('\ufffd') && decoder.decode(bytes) === decoded ? nameFromBytes(bytes) : decoded;

/** The records of a pax header: `LENGTH KEY=VALUE\n`, where the length counts all of it. */
function* paxRecords(body: Uint8Array): Generator<[string, Uint8Array]> {
  for (let at = 0; at < body.length; ) {
    const blank = body.indexOf(0x20, at);
    const length = blank < 0 ? 0 : Number(Buffer.from(body.subarray(at, blank)).toString('latin1'));
    const equals = body.indexOf(0x3d, blank);
    if (!(length > 0) || equals < 0) return;
    yield [
      Buffer.from(body.subarray(blank + 1, equals)).toString('latin1'),
      body.subarray(equals + 1, at + length - 1),
    ];
    at += length;
  }
}

const field = (block: Uint8Array, [at, bytes]: readonly [number, number]): Uint8Array => block.subarray(at, at + bytes);

/** Up to the first NUL. */
const text = (bytes: Uint8Array): Uint8Array => bytes.slice(0, bytes.includes(0) ? bytes.indexOf(0) : bytes.length);

/** Digits in base 8; or, where the first bit is set, the bytes of a larger number. */
function number(bytes: Uint8Array): number {
  if (bytes[0]! & 0x80) return bytes.reduce((sum, byte, i) => 256 * sum + (i === 0 ? byte & 0x7f : byte), 0);
  return Number.parseInt(Buffer.from(bytes).toString('latin1').replace(/[\0 ]/g, ''), 8) || 0;
}

const padded = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;
