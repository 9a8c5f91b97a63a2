/** The header of a PNG file (PNG specification, 11.2.1), and the passes in which its rows come (8.2). */
import { ClipError } from '../errors.ts';

/** Color types. */
export const GRAY = 0;
export const RGB = 2;
export const PALETTE = 3;
export const GRAY_ALPHA = 4;
export const RGBA = 6;

/** Allowed bit depths by color type (table 11.1), and samples of a pixel. */
const KINDS: { readonly [colorType: number]: { readonly depths: readonly number[]; readonly samples: number } } = {
  [GRAY]: { depths: [1, 2, 4, 8, 16], samples: 1 },
  [RGB]: { depths: [8, 16], samples: 3 },
  [PALETTE]: { depths: [1, 2, 4, 8], samples: 1 },
  [GRAY_ALPHA]: { depths: [8, 16], samples: 2 },
  [RGBA]: { depths: [8, 16], samples: 4 },
};

/** Bytes of the header. */
export const PNG_HEADER_BYTES = 13;

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colorType: number;
  /** Bits of a pixel. */
  readonly bits: number;
  readonly interlaced: boolean;
}

/** @throws ClipError IMAGE_FORMAT */
export function readPngHeader(content: Uint8Array): PngHeader {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const [depth, colorType, compression, filter, interlace] = content.subarray(8) as unknown as [
    ...[number, number, number, number, number],
  ];
  const kind = KINDS[colorType];
  if (!kind?.depths.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1) {
    throw damagedPng(
      `a header with bit depth ${depth}, color type ${colorType}, methods ${compression}, ${filter}, ${interlace}`,
    );
  }
  return {
    width: view.getUint32(0),
    height: view.getUint32(4),
    depth,
    colorType,
    bits: kind.samples * depth,
    interlaced: interlace === 1,
  };
}

/** Pixels x, x + stepX, .. of the rows y, y + stepY, .. of the picture. */
export interface Pass {
  readonly x: number;
  readonly y: number;
  readonly stepX: number;
  readonly stepY: number;
  /** Pixels of a row. */
  readonly width: number;
  readonly height: number;
  /** Bytes of a row, without the filter's type before it. */
  readonly rowBytes: number;
}

/** Where the seven passes of Adam7 begin, and their steps. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** The passes that have any pixels: one, unless the picture is interlaced. */
export function passesOf({ width, height, bits, interlaced }: PngHeader): Pass[] {
  const passes = (interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const)).map(([x, y, stepX, stepY]) => {
    const across = Math.ceil(Math.max(0, width - x) / stepX);
    const down = Math.ceil(Math.max(0, height - y) / stepY);
    return { x, y, stepX, stepY, width: across, height: down, rowBytes: Math.ceil((across * bits) / 8) };
  });
  return passes.filter((pass) => pass.width > 0 && pass.height > 0);
}

export function damagedPng(what: string): ClipError {
  return new ClipError('IMAGE_FORMAT', `damaged PNG: ${what}`);
}
