/**
 * The markers and segments of a JPEG file as they come (ITU T.81, annex B; jdmarker.c): tables and headers are collected until
 * there is a scan.
 */

import { concatenate } from '../bytes.ts';
import type { ClipError } from '../errors.ts';
import type { ByteQueue } from './byte-queue.ts';
import {
  APP0,
  APP1,
  APP14,
  adobeTransform,
  DHT,
  DQT,
  DRI,
  damaged,
  EOI,
  exifPart,
  type FrameHeader,
  type HuffmanTable,
  isFrame,
  isJfif,
  isKnown,
  readFrame,
  readHuffman,
  readInterval,
  readQuantization,
  readScan,
  type ScanHeader,
  SOI,
  SOS,
  xmpPart,
} from './jpeg-segments.ts';
import type { Metadata } from './orientation.ts';

/** Markers that a step passes, and bytes that fill the room before one: some milliseconds of work. */
const MARKERS_A_STEP = 1024;
const FILL_A_STEP = 1 << 16;
/** EXIF may be split, but of more parts or bytes than this no program makes it. */
const EXIF_PARTS = 256;
const EXIF_BYTES = 1 << 20;

const USED = [APP0, APP1, APP14, DHT, DQT, DRI, SOS];

/** Whether a segment has to do with the picture. */
const isUsed = (code: number): boolean => isFrame(code) || USED.includes(code);

export interface MarkerOptions {
  /** Whether EXIF and XMP are wanted. Default false. */
  readonly metadata?: boolean | undefined;
  /** Called with the size that the file states, as soon as it is known; its error passes. */
  readonly checkSize?: ((width: number, height: number) => void) | undefined;
}

export class JpegMarkers {
  frame: FrameHeader | undefined;
  /** Whether the file is JFIF, and the color transform that Adobe's segment states. */
  jfif = false;
  adobe: number | undefined;
  readonly quantization: (Uint16Array | undefined)[] = [];
  readonly huffman: (HuffmanTable | undefined)[] = [];
  /** The restart interval, 0 for none. */
  interval = 0;
  /** Whether a marker came behind the complete picture. */
  isBehind = false;
  readonly #queue: ByteQueue;
  readonly #options: MarkerOptions;
  /** Bytes of a segment that is passed over. */
  #skip = 2; // SOI
  #scanned = false;
  readonly #exif: Uint8Array[] = [];
  #xmp: Uint8Array | undefined;

  constructor(queue: ByteQueue, options: MarkerOptions) {
    this.#queue = queue;
    this.#options = options;
  }

  /** As of the first scan. */
  get metadata(): Metadata {
    return { exif: this.#exif.length > 1 ? concatenate(this.#exif) : this.#exif[0], xmp: this.#xmp };
  }

  /**
   * Goes on to the next scan.
   * @param complete whether the picture is complete: then segments are only passed over
   * @returns its header; `more` if bytes are missing, `end` at the end of the picture, `busy` if it takes another call
   * @throws ClipError IMAGE_FORMAT; what `checkSize` throws
   */
  next(complete: boolean): ScanHeader | 'more' | 'busy' | 'end' {
    const queue = this.#queue;
    for (let markers = 0; markers < MARKERS_A_STEP; markers++) {
      this.#skip -= queue.skip(this.#skip);
      if (this.#skip > 0) return 'more';
      const marker = this.#nextMarker();
      if (marker === 'busy') return marker;
      if (marker === undefined) return 'more';
      const [length, code] = marker;
      if (complete) this.isBehind = true;
      if (code === EOI) {
        queue.skip(length);
        return 'end';
      }
      // Behind a complete picture, what is not a segment is a trailer.
      if (code === SOI) {
        if (complete) return 'end';
        queue.skip(length);
        continue;
      }
      if (!complete && !isKnown(code)) throw damaged(`a marker of unknown kind, ${code}`);
      const [high, low] = [queue.peek(length), queue.peek(length + 1)];
      if (high === undefined || low === undefined) return 'more';
      const size = (high << 8) | low;
      if (size < 2) {
        if (complete) return 'end';
        throw damaged('a segment with an impossible length');
      }
      if (complete || !isUsed(code)) {
        this.#skip = length + size;
        continue;
      }
      if (queue.length < length + size) return 'more';
      const body = queue.view(length + size).subarray(length + 2);
      const scan = this.#readSegment(code, body);
      queue.skip(length + size);
      if (scan) return scan;
    }
    return 'busy';
  }

  /**
   * The next marker's bytes and code. As in libjpeg's next_marker, whatever lies before it is skipped: entropy-coded data
   * (where a byte 0xff is followed by zero), fill bytes, restart markers, and garbage. 'busy' if there is much of it: the search
   * goes on at the next call.
   */
  #nextMarker(): [length: number, code: number] | 'busy' | undefined {
    const queue = this.#queue;
    for (let passed = 0; passed < MARKERS_A_STEP; passed++) {
      queue.skip(queue.before(0xff));
      let length = 0;
      while (queue.peek(length) === 0xff && length < FILL_A_STEP) length++;
      if (length === FILL_A_STEP) {
        queue.skip(length - 1);
        return 'busy';
      }
      const code = queue.peek(length);
      if (code === undefined) {
        // Of any number of fill bytes one is enough.
        if (length > 1) queue.skip(length - 1);
        return undefined;
      }
      if (code > 1 && (code < 0xd0 || code >= SOI)) return [length + 1, code];
      queue.skip(length + 1);
    }
    return 'busy';
  }

  /** @returns a scan's header */
  #readSegment(code: number, body: Uint8Array): ScanHeader | undefined {
    switch (code) {
      case SOS:
        if (!this.frame) throw noFrame();
        this.#scanned = true;
        return readScan(body);
      case DQT:
        readQuantization(body, this.quantization);
        return undefined;
      case DHT:
        readHuffman(body, this.huffman);
        return undefined;
      case DRI:
        this.interval = readInterval(body);
        return undefined;
      case APP0:
        this.jfif ||= isJfif(body);
        return undefined;
      case APP14:
        this.adobe = adobeTransform(body) ?? this.adobe;
        return undefined;
      case APP1: {
        // As in Pillow, EXIF may be split over segments, and the last XMP before the first scan counts.
        if (this.#scanned || !this.#options.metadata) return undefined;
        const exif = exifPart(body);
        if (exif) this.#addExif(exif);
        this.#xmp = xmpPart(body) ?? this.#xmp;
        return undefined;
      }
      default:
        if (this.frame) throw damaged('a second frame header');
        this.frame = readFrame(code, body);
        this.#options.checkSize?.(this.frame.width, this.frame.height);
        return undefined;
    }
  }

  /** Of a flood of segments only the first count: their directory is at the beginning. */
  #addExif(part: Uint8Array): void {
    const length = this.#exif.reduce((sum, { length }) => sum + length, 0);
    if (this.#exif.length === 0) this.#exif.push(part);
    else if (part.length > 0 && this.#exif.length < EXIF_PARTS && length < EXIF_BYTES) this.#exif.push(part);
  }
}

export function noFrame(): ClipError {
  return damaged('no frame header before the picture data');
}
