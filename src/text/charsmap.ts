/**
 * SentencePiece's normalization by a table (`precompiled_charsmap`): a trie of byte strings, and what each becomes. Read and
 * applied as Hugging Face's tokenizers does it (spm_precompiled 0.1.4, src/lib.rs), whose results differ from SentencePiece's own
 * for some clusters of letters and marks.
 */
import { decodeBase64 } from '../platform/base64.ts';

/** The published ones have 0.3 MB. */
const LARGEST = 16 << 20;
/** A cluster of this many bytes or more is taken letter by letter. */
const LONG_CLUSTER = 6;

/** Marks that belong to the character before them: what UAX 29 calls Extend, ZWJ and SpacingMark. */
const EXTEND = /\u200d|[\p{Grapheme_Extend}\p{Emoji_Modifier}\p{Mc}\u0e33\u0eb3]/u;
/** Those of `Mc` that UAX 29 (table 2) leaves out. */
const NOT_SPACING =
  /[\u102b\u102c\u1038\u1062-\u1064\u1067-\u106d\u1083\u1087-\u108c\u108f\u109a-\u109c\u1a61\u1a63\u1a64\uaa7b\uaa7d\u{11720}\u{11721}]/u;
/** What nothing joins. */
const CONTROL = /(?!\u200c|\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
/** Signs before a number, of two bytes: with longer ones a cluster is never short enough. */
const PREPEND = /[\u0600-\u0605\u06dd\u070f]/u;
/** Whether there is anything to join: in most texts there is not. */
const ANY_JOINED = /\u200d|[\p{Grapheme_Extend}\p{Emoji_Modifier}\p{Mc}\u0e33\u0eb3\u0600-\u0605\u06dd\u070f]|\r\n/u;

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  /** What characters became, or undefined if nothing: few are ever met. */
  readonly #known = new Map<string, string | undefined>();

  /** @throws RangeError that says what is wrong with the table */
  constructor(base64: string) {
    if (base64.length > 2 * LARGEST)
      throw new RangeError(`it has ${base64.length} characters, expected at most ${2 * LARGEST}`);
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 !== 0) throw new RangeError('it is not base64');
    const bytes = decodeBase64(base64);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.byteLength < 4 ? 0 : view.getUint32(0, true);
    if (size === 0 || size % 4 !== 0 || 4 + size > bytes.byteLength) {
      throw new RangeError(`its trie of ${size} bytes does not fit into its ${bytes.byteLength} bytes`);
    }
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#replacements = bytes.subarray(4 + size);
  }

  normalize(text: string): string {
    const joined = ANY_JOINED.test(text) ? clusters(text) : text;
    let out = '';
    for (const cluster of joined) {
      const whole = cluster.length < LONG_CLUSTER ? this.#replaced(cluster) : undefined;
      if (whole !== undefined) out += whole;
      else if (cluster.length === 1) out += cluster;
      else for (const letter of cluster) out += this.#replaced(letter) ?? letter;
    }
    return out;
  }

  /** What replaces a cluster of few bytes: the entry of its shortest beginning that has one. */
  #replaced(cluster: string): string | undefined {
    if (this.#known.has(cluster)) return this.#known.get(cluster);
    const bytes = this.#encoder.encode(cluster);
    const found = bytes.length < LONG_CLUSTER ? this.#find(bytes) : undefined;
    if (this.#known.size < 65_536) this.#known.set(cluster, found);
    return found;
  }

  /** A double-array trie (darts-clone): a unit has a label, an offset, and whether a value follows. */
  #find(bytes: Uint8Array): string | undefined {
    const units = this.#units;
    let at = offsetOf(units[0]!);
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      at ^= byte;
      const unit = units[at];
      if (unit === undefined || (unit & 0x8000_00ff) >>> 0 !== byte) return undefined;
      at ^= offsetOf(unit);
      if ((unit >>> 8) & 1) return this.#replacement(units[at] ?? 0);
    }
    return undefined;
  }

  #replacement(value: number): string {
    const start = value & 0x7fff_ffff;
    const end = this.#replacements.indexOf(0, start);
    return this.#decoder.decode(this.#replacements.subarray(start, end < 0 ? undefined : end));
  }
}

const offsetOf = (unit: number): number => ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;

/** The text in extended grapheme clusters (UAX 29), as far as they are of less than six bytes. */
function* clusters(text: string): Generator<string> {
  let cluster = '';
  let joins = false; // whether the next character may belong to it
  let prepends = false;
  for (const letter of text) {
    const control = CONTROL.test(letter);
    const extends_ = EXTEND.test(letter) && !NOT_SPACING.test(letter);
    const own = !(
      cluster !== '' &&
      ((joins && extends_) || (prepends && !control) || (cluster === '\r' && letter === '\n'))
    );
    if (own) {
      if (cluster !== '') yield cluster;
      cluster = letter;
    } else cluster += letter;
    joins = !control;
    prepends = PREPEND.test(letter);
  }
  if (cluster !== '') yield cluster;
}
