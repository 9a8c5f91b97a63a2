/**
 * Smoothing of a progressive JPEG whose last scans are missing: libjpeg-turbo estimates coefficients that are not known to
 * their last bit from the DC coefficients of 5 x 5 blocks (jdcoefct.c, smoothing_ok and decompress_smooth_data).
 */
import type { Pointer } from '../engine/kernels.ts';
import * as c from './contract.ts';
import { BLOCK_BYTES, type Part } from './jpeg-scan.ts';
import { ZIGZAG } from './jpeg-segments.ts';
import type { Workspace } from './workspace.ts';

const NONE = [0, 0, 0, 0, 0];

// Weights of the DC coefficients around, row by row, for the coefficients 0 to 9 in zigzag order.

/** Where some AC coefficients are known, the first five are estimated. */
const WITH_AC: readonly (readonly (readonly number[])[])[] = [
  [NONE, NONE, [-7, 50, 0, -50, 7], NONE, NONE],
  [[0, 0, -7, 0, 0], [0, 0, 50, 0, 0], NONE, [0, 0, -50, 0, 0], [0, 0, 7, 0, 0]],
  [
    [0, 0, -1, 0, 0],
    [0, 0, 13, 0, 0],
    [0, 0, -24, 0, 0],
    [0, 0, 13, 0, 0],
    [0, 0, -1, 0, 0],
  ],
  [[0, -1, 0, 1, 0], [-1, 10, 0, -10, 1], NONE, [1, -10, 0, 10, -1], [0, 1, 0, -1, 0]],
  [NONE, NONE, [-1, 13, -24, 13, -1], NONE, NONE],
];

/** Where none is, nine are, and DC itself is smoothed. */
const DC_ONLY: readonly (readonly (readonly number[])[])[] = [
  [
    [-1, -1, 0, 1, 1],
    [-3, 13, 0, -13, 3],
    [-3, 38, 0, -38, 3],
    [-3, 13, 0, -13, 3],
    [-1, -1, 0, 1, 1],
  ],
  [[-1, -3, -3, -3, -1], [-1, 13, 38, 13, -1], NONE, [1, -13, -38, -13, 1], [1, 3, 3, 3, 1]],
  [
    [0, 0, 1, 0, 0],
    [0, 2, 7, 2, 0],
    [0, -5, -14, -5, 0],
    [0, 2, 7, 2, 0],
    [0, 0, 1, 0, 0],
  ],
  [[-1, 0, 0, 0, 1], [0, 9, 0, -9, 0], NONE, [0, -9, 0, 9, 0], [1, 0, 0, 0, -1]],
  [NONE, [0, 2, -5, 2, 0], [1, 7, -14, 7, 1], [0, 2, -5, 2, 0], NONE],
  [NONE, [0, 1, 0, -1, 0], [0, 2, 0, -2, 0], [0, 1, 0, -1, 0], NONE],
  [NONE, [0, 1, -3, 1, 0], NONE, [0, -1, 3, -1, 0], NONE],
  [NONE, [0, 1, 0, -1, 0], [0, -3, 0, 3, 0], [0, 1, 0, -1, 0], NONE],
  [NONE, [0, 1, 2, 1, 0], NONE, [0, -1, -2, -1, 0], NONE],
];
const DC = [[-2, -6, -8, -6, -2], [-6, 6, 42, 6, -6], [-8, 42, 152, 42, -8], [-6, 6, 42, 6, -6], [-2, -6, -8, -6, -2]]; // biome-ignore format: one line

interface Estimates {
  readonly part: Part;
  readonly at: Pointer;
  readonly count: number;
}

export class JpegSmoothing {
  readonly #workspace: Workspace;
  readonly #rows: Pointer;
  readonly #estimates: readonly Estimates[];

  /** Smoothing for these components; undefined where it is not useful, or not possible. */
  static of(workspace: Workspace, parts: readonly Part[]): JpegSmoothing | undefined {
    const positions = ZIGZAG.slice(0, 10);
    const possible = parts.every(({ known, table }) => known[0]! >= 0 && positions.every((p) => table![p] !== 0));
    const useful = parts.some(({ known }) => known.subarray(1, 10).some((bits) => bits !== 0));
    return possible && useful ? new JpegSmoothing(workspace, parts) : undefined;
  }

  private constructor(workspace: Workspace, parts: readonly Part[]) {
    this.#workspace = workspace;
    this.#rows = workspace.reserve(4 * c.SMOOTH_ROWS);
    this.#estimates = parts.map((part) => {
      const at = workspace.reserve(10 * c.ESTIMATE_BYTES);
      const dcOnly = part.known.subarray(1, 10).every((bits) => bits === -1);
      let count = 0;
      const add = (k: number, bits: number, weights: readonly (readonly number[])[]) => {
        const fields = new Int32Array(workspace.memory.buffer, at + count++ * c.ESTIMATE_BYTES, c.ESTIMATE_BYTES / 4);
        fields[c.ESTIMATE_OFFSET / 4] = 2 * ZIGZAG[k]!;
        fields[c.ESTIMATE_QUANTIZATION / 4] = part.table![ZIGZAG[k]!]!;
        fields[c.ESTIMATE_BITS / 4] = bits;
        fields.set(weights.flat(), c.ESTIMATE_WEIGHTS / 4);
      };
      for (const [i, weights] of (dcOnly ? DC_ONLY : WITH_AC).entries()) {
        if (part.known[i + 1] !== 0) add(i + 1, part.known[i + 1]!, weights);
      }
      if (dcOnly) add(0, 0, DC);
      return { part, at, count };
    });
  }

  /** Blocks first .. end - 1 of a row of blocks to pixels. */
  blocksToPixels(
    component: number,
    blockRow: number,
    first: number,
    end: number,
    out: Pointer,
    stride: number,
    scan: Pointer,
  ): void {
    const { part, at, count } = this.#estimates[component]!;
    const { statedDown: down, blocksAcross, blocksDown, storedDown, storedAcross, side } = part.component;
    // libjpeg numbers the rows by those of this row of MCUs, fewer in the last one; so its edges come a little early there.
    const mcuRow = Math.floor(blockRow / down);
    const mcuRows = storedDown / down;
    const here = mcuRow < mcuRows - 1 ? down : blocksDown - mcuRow * down;
    const row = mcuRow * here + (blockRow % down);
    const [above, below] = [Math.min(row, 2), Math.min(here * mcuRows - 1 - row, 2)];
    const rows = new Uint32Array(this.#workspace.memory.buffer, this.#rows, c.SMOOTH_ROWS);
    for (let i = 0; i < c.SMOOTH_ROWS; i++) {
      const taken = blockRow + Math.max(-above, Math.min(i - 2, below));
      rows[i] = part.coefficients + taken * storedAcross * BLOCK_BYTES;
    }
    const { kernels } = this.#workspace;
    kernels.smoothBlocks(
      this.#rows,
      first,
      end,
      blocksAcross - 1,
      at,
      count,
      part.quantization,
      side,
      out,
      stride,
      scan,
    );
  }
}
