/** PNGs of test/oracle/png.py, and our decoder's pixels of any. */
import { readFileSync } from 'node:fs';
import type { Metadata } from '../../src/image/orientation.ts';
import { PngDecoder } from '../../src/image/png.ts';
import { PngChunks } from '../../src/image/png-chunks.ts';
import { pngMetadata } from '../../src/image/png-metadata.ts';
import type { PictureHeader } from '../../src/image/rows.ts';
import { Workspace } from '../../src/image/workspace.ts';

const golden = new URL('../golden/png/', import.meta.url);
const files = new Uint8Array(readFileSync(new URL('files.bin', golden)));

export interface PngCase {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly size: readonly [width: number, height: number];
  readonly pixels: string;
}

type Listed = Omit<PngCase, 'bytes'> & { readonly offset: number; readonly length: number };
const listed: { cases: Listed[] } = JSON.parse(readFileSync(new URL('cases.json', golden), 'utf8'));
export const pngCases: readonly PngCase[] = listed.cases.map(({ offset, length, ...rest }) => ({
  ...rest,
  bytes: files.subarray(offset, offset + length),
}));

const release = new WebAssembly.Module(readFileSync(new URL('../../dist/pictures.wasm', import.meta.url)));
export const debugPictures = new WebAssembly.Module(
  readFileSync(new URL('../../build/pictures-debug.wasm', import.meta.url)),
);

export interface Decoded {
  readonly width: number;
  readonly height: number;
  /** u8[height, width, 3]; empty if `keep` is false */
  readonly data: Uint8Array;
  /** Bytes of the workspace that were in use. */
  readonly used: number;
  /** Steps that it took. */
  readonly steps: number;
  /** Bytes of the file that were asked for. */
  readonly read: number;
}

function metadataOf(bytes: Uint8Array, workspace: Workspace): { metadata: Metadata; steps: number } {
  const chunks = new PngChunks();
  chunks.push(bytes);
  const reader = pngMetadata(chunks, workspace);
  for (let steps = 1; ; steps++) {
    const { done, value } = reader.next();
    if (done) return { metadata: value, steps };
    if (value === 'input') chunks.end();
  }
}

/** All pixels. `piece`: bytes that are pushed together, from a buffer that is overwritten when more are asked for. */
export function decodePng(
  bytes: Uint8Array,
  {
    piece = bytes.length,
    module = release,
    orient = false,
    keep = true,
  }: { piece?: number; module?: WebAssembly.Module; orient?: boolean; keep?: boolean } = {},
): Decoded {
  const workspace = new Workspace(module);
  const { metadata, steps: before } = orient ? metadataOf(bytes, workspace) : { metadata: undefined, steps: 0 };
  const decoder = new PngDecoder(workspace, metadata);
  const buffer = new Uint8Array(piece);
  let header: PictureHeader | undefined;
  let data = new Uint8Array(0);
  let read = 0;
  for (let steps = before + 1; ; steps++) {
    const step = decoder.step();
    if (step === 'end')
      return { width: header!.width, height: header!.height, data, used: workspace.used, steps, read };
    if (step === 'input') {
      const next = bytes.subarray(read, read + piece);
      read += next.length;
      buffer.fill(0xff);
      buffer.set(next);
      if (next.length > 0) decoder.push(buffer.subarray(0, next.length));
      else decoder.end();
    } else if (step === 'header') {
      header = decoder.header!;
      if (keep) data = new Uint8Array(header.width * header.height * 3);
    } else if (step !== 'busy' && keep) {
      const { width, channels } = header!;
      for (let y = 0; y < step.count; y++) {
        for (let x = 0; x < width; x++) {
          const from = step.at + y * step.stride + x * channels;
          const to = ((step.first + y) * width + x) * 3;
          for (let c = 0; c < 3; c++) data[to + c] = workspace.bytes[from + (channels === 1 ? 0 : c)]!;
        }
      }
    }
  }
}
