/** JPEGs of test/oracle/jpeg.py, and our decoder's pixels of them. */
import { readFileSync } from 'node:fs';
import { JpegRows } from '../../src/image/jpeg-rows.ts';
import type { PictureHeader, Window } from '../../src/image/rows.ts';
import { Workspace } from '../../src/image/workspace.ts';

const golden = new URL('../golden/jpeg/', import.meta.url);
const files = new Uint8Array(readFileSync(new URL('files.bin', golden)));

export interface JpegCase {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly size: readonly [width: number, height: number];
  readonly pixels: string;
  readonly draft: readonly (readonly [target: number, width: number, height: number, pixels: string])[];
}

type Listed = Omit<JpegCase, 'bytes'> & { readonly offset: number; readonly length: number };
const listed: { cases: Listed[] } = JSON.parse(readFileSync(new URL('cases.json', golden), 'utf8'));
export const jpegCases: readonly JpegCase[] = listed.cases.map(({ offset, length, ...rest }) => ({
  ...rest,
  bytes: files.subarray(offset, offset + length),
}));

const release = new WebAssembly.Module(readFileSync(new URL('../../dist/pictures.wasm', import.meta.url)));

export interface Decoded {
  readonly width: number;
  readonly height: number;
  /** u8[height, width, 3] */
  readonly data: Uint8Array;
  /** Bytes of the workspace that were in use. */
  readonly used: number;
  /** Steps that it took. */
  readonly steps: number;
  /** Bytes of EXIF that it kept; 0 without `metadata`. */
  readonly exif: number;
}

/** All pixels, or with a window only those in it. `piece`: bytes that are pushed together. */
export function decodeJpeg(
  bytes: Uint8Array,
  {
    target,
    piece = bytes.length,
    window,
    module = release,
    metadata,
  }: { target?: number; piece?: number; window?: Window; module?: WebAssembly.Module; metadata?: boolean } = {},
): Decoded {
  const workspace = new Workspace(module);
  const decoder = new JpegRows(workspace, { target, metadata });
  let header: PictureHeader | undefined;
  let data = new Uint8Array(0);
  let steps = 0;
  for (let at = 0; ; steps++) {
    const step = decoder.step();
    if (step === 'end') break;
    if (step === 'input') {
      if (at < bytes.length) decoder.push(bytes.subarray(at, at + piece));
      else decoder.end();
      at += piece;
    } else if (step === 'header') {
      header = decoder.header!;
      data = new Uint8Array(header.width * header.height * 3);
      if (window) decoder.want(window);
    } else if (step !== 'busy') {
      const { width, channels } = header!;
      const memory = workspace.bytes;
      for (let y = 0; y < step.count; y++) {
        for (let x = 0; x < width; x++) {
          if (window && !inside(window, x, step.first + y)) continue;
          const from = step.at + y * step.stride + x;
          const to = ((step.first + y) * width + x) * 3;
          for (let c = 0; c < 3; c++) data[to + c] = memory[from + (channels === 1 ? 0 : c * step.plane)]!;
        }
      }
    }
  }
  return {
    width: header!.width,
    height: header!.height,
    data,
    used: workspace.used,
    steps,
    exif: header!.metadata?.exif?.length ?? 0,
  };
}

function inside({ left, right, top, bottom }: Window, x: number, y: number): boolean {
  return x >= left && x < right && y >= top && y < bottom;
}
