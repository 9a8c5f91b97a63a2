/**
 * PNG, row by row, as `Image.open(..).convert("RGB")` of Pillow 13 sees it: transparency and color profiles do not count, gray of
 * 16 bits is clipped at 255. Of an animation, the picture that is shown where animations are not known.
 */

import { concatenate } from '../bytes.ts';
import { crc32 } from '../crc32.ts';
import type { Metadata } from './orientation.ts';
import { IDAT, IEND, IHDR, PLTE, PngChunks } from './png-chunks.ts';
import { CHUNKS_AT_A_TIME, truncatedPng } from './png-data.ts';
import { damagedPng, PNG_HEADER_BYTES, type PngHeader, readPngHeader } from './png-header.ts';
import { interlacedRows, plainRows } from './png-rows.ts';
import { rowChannels } from './png-samples.ts';
import type { PictureHeader, RowDecoder, Step } from './rows.ts';
import type { Workspace } from './workspace.ts';

const NO_METADATA: Metadata = { exif: undefined, xmp: undefined };

export class PngDecoder implements RowDecoder {
  header: PictureHeader | undefined;
  readonly #workspace: Workspace;
  readonly #chunks = new PngChunks();
  readonly #metadata: Metadata;
  readonly #steps = this.#decode();

  /** @param metadata EXIF and XMP, which may stand behind the rows (png-metadata.ts). Default: they are not wanted */
  constructor(workspace: Workspace, metadata: Metadata = NO_METADATA) {
    this.#workspace = workspace;
    this.#metadata = metadata;
  }

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
  }

  end(): void {
    this.#chunks.end();
  }

  step(): Step {
    return this.#steps.next().value;
  }

  *#decode(): Generator<Step, 'end'> {
    const png = yield* this.#readHeader();
    const { width, height, interlaced: isWhole } = png;
    this.header = { width, height, channels: rowChannels(png), planar: false, metadata: this.#metadata, isWhole };
    yield 'header';
    const palette = yield* this.#findData();
    yield* (png.interlaced ? interlacedRows : plainRows)(this.#workspace, png, palette, this.#chunks);
    return 'end';
  }

  *#readHeader(): Generator<Step, PngHeader> {
    const chunks = this.#chunks;
    const where = ', inside its header';
    while (!chunks.next()) yield this.#missing(where);
    if (chunks.type !== IHDR || chunks.left !== PNG_HEADER_BYTES) throw damagedPng('the first chunk is not a header');
    return readPngHeader(yield* this.#wholeChunk('IHDR', where));
  }

  /** Goes on to the first IDAT chunk. Returns the palette on the way: the first, if there are several. */
  *#findData(): Generator<Step, Uint8Array | undefined> {
    const chunks = this.#chunks;
    const where = ', before its picture data';
    let palette: Uint8Array | undefined;
    for (let passed = 1; ; passed++) {
      while (!chunks.next()) yield this.#missing(where);
      if (chunks.type === IDAT) return palette;
      if (chunks.type === IEND) throw damagedPng('no picture data');
      if (chunks.type === PLTE) palette ??= yield* this.#wholeChunk('PLTE', where);
      if (passed % CHUNKS_AT_A_TIME === 0) yield 'busy';
    }
  }

  /** The content of the chunk. @throws ClipError IMAGE_FORMAT if its checksum is wrong */
  *#wholeChunk(type: 'IHDR' | 'PLTE', where: string): Generator<Step, Uint8Array> {
    const chunks = this.#chunks;
    const parts: Uint8Array[] = [];
    while (chunks.left > 0) {
      const part = chunks.content(chunks.left);
      if (part) parts.push(part.slice());
      else yield this.#missing(where);
    }
    const content = concatenate(parts);
    let sum = chunks.sum();
    for (; sum === undefined; sum = chunks.sum()) yield this.#missing(where);
    const letters = Uint8Array.from(type, (letter) => letter.charCodeAt(0));
    if (sum !== crc32(content, crc32(letters))) throw damagedPng(`wrong checksum in chunk ${type}`);
    return content;
  }

  #missing(where: string): Step {
    if (!this.#chunks.isComplete) return 'input';
    throw truncatedPng(this.#chunks, where);
  }
}
