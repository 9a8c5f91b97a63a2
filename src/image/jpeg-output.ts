/** The coefficients of a JPEG file of several scans to rows of pixels, once the last scan is read. */
import * as c from './contract.ts';
import type { JpegPlanes } from './jpeg-planes.ts';
import { BLOCK_BYTES, type JpegScan, type Part } from './jpeg-scan.ts';
import { JpegSmoothing } from './jpeg-smoothing.ts';
import type { Step } from './rows.ts';
import type { Workspace } from './workspace.ts';

/** What a file has when its last scan is read. */
export interface ReadScans {
  readonly parts: readonly Part[];
  readonly planes: JpegPlanes;
  /** Its scratch is free now. */
  readonly scan: JpegScan;
  /** Rows of MCUs. */
  readonly rows: number;
  readonly progressive: boolean;
}

export class JpegOutput {
  readonly #workspace: Workspace;
  readonly #parts: readonly Part[];
  readonly #planes: JpegPlanes;
  readonly #scan: JpegScan;
  readonly #rows: number;
  readonly #smoothing: JpegSmoothing | undefined;
  #next = 0;

  constructor(workspace: Workspace, { parts, planes, scan, rows, progressive }: ReadScans) {
    this.#workspace = workspace;
    this.#parts = parts;
    this.#planes = planes;
    this.#scan = scan;
    this.#rows = rows;
    // A component without a scan has no table: libjpeg takes it as gray (jddctmgr.c, start_pass).
    for (const part of parts) if (!part.table) part.quantization = workspace.reserveZeroed(128);
    if (progressive) this.#smoothing = JpegSmoothing.of(workspace, parts);
  }

  /** The next row of MCUs: its rows of pixels, if it completes any. */
  next(): Step {
    const row = this.#next++;
    const planes = this.#planes;
    if (row === this.#rows) return 'end';
    if (!planes.isNeeded(row)) return 'busy';
    for (const i of this.#parts.keys()) this.#writeBlocks(i, row);
    return planes.finishRow(row) ?? 'busy';
  }

  /** The blocks of a component in a row of MCUs. */
  #writeBlocks(index: number, row: number): void {
    const { kernels } = this.#workspace;
    const { component, coefficients, quantization } = this.#parts[index]!;
    const { firstMcu, endMcu, planes } = this.#planes;
    const { at, stride } = planes[index]!;
    const { across, down, side, storedAcross, blocksAcross, blocksDown } = component;
    const first = firstMcu * across;
    const end = Math.min(endMcu * across, blocksAcross);
    for (let line = row * down; line < Math.min((row + 1) * down, blocksDown); line++) {
      const to = at + (line - row * down) * side * stride + first * side;
      if (this.#smoothing) {
        this.#smoothing.blocksToPixels(index, line, first, end, to, stride, this.#scan.at);
      } else {
        const from = coefficients + (line * storedAcross + first) * BLOCK_BYTES;
        kernels.blocksToPixels(from, end - first, quantization, side, to, stride, this.#scan.at + c.SCAN_WORK);
      }
    }
  }
}
