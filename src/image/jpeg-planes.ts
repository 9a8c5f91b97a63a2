/** A JPEG's samples, one row of MCUs at a time, and the rows of pixels that they make. */
import type { Pointer } from '../engine/kernels.ts';
import type { Colors, Component, Frame } from './jpeg-frame.ts';
import type { Rows, Window } from './rows.ts';
import type { Workspace } from './workspace.ts';

/** Bytes before a line, as filters read the sample before the first, in whole vectors. */
const BEFORE = 16;
/** Bytes behind a line: kernels write whole vectors of pixels, twice as many for samples that are doubled. */
const BEHIND = 48;

/** A component's samples: lines of the row of MCUs, with some of the row above before them, and one behind. */
interface Plane {
  readonly component: Component;
  /** Line 0 of the row of MCUs, sample 0. */
  readonly at: Pointer;
  readonly stride: number;
  /** Lines of a row of MCUs. */
  readonly lines: number;
  /** Where a line of pixels is made of samples. */
  readonly full: Pointer;
}

export class JpegPlanes {
  readonly #workspace: Workspace;
  readonly #frame: Frame;
  readonly #colors: Colors;
  readonly planes: readonly Plane[];
  readonly #sums: Pointer;
  readonly #out: Pointer;
  readonly #outPlane: number;
  #window: Window;
  /** MCUs of a row that are needed. */
  firstMcu = 0;
  endMcu: number;

  constructor(workspace: Workspace, frame: Frame, colors: Colors) {
    this.#workspace = workspace;
    this.#frame = frame;
    this.#colors = colors;
    this.#window = { left: 0, right: frame.width, top: 0, bottom: frame.height };
    this.endMcu = frame.mcusAcross;
    const full = roundUp(frame.mcusAcross * frame.mcuWidth) + BEHIND;
    this.planes = frame.components.map((component) => {
      const stride = BEFORE + roundUp(component.storedAcross * component.side) + BEHIND;
      const lines = component.down * component.side;
      const above = frame.context ? 2 * component.groupLines : 0;
      const start = workspace.reserve((above + lines + 1) * stride + BEHIND);
      return {
        component,
        at: start + above * stride + BEFORE,
        stride,
        lines,
        full: component.upsampling === 'none' ? 0 : workspace.reserve(full),
      };
    });
    const sampled = Math.max(...frame.components.map(({ storedAcross, side }) => storedAcross * side));
    this.#sums = frame.context ? workspace.reserve(2 * roundUp(sampled) + 160) : 0;
    this.#outPlane = full;
    this.#out = colors === 'gray' ? 0 : workspace.reserve((frame.groups + 1) * frame.groupRows * 3 * full);
  }

  /** Which pixels are wanted. One MCU more on each side is decoded, as filters reach there. */
  want(window: Window): void {
    const { mcuWidth, mcusAcross } = this.#frame;
    this.#window = window;
    this.firstMcu = Math.max(0, Math.floor(window.left / mcuWidth) - 1);
    this.endMcu = Math.min(mcusAcross, Math.ceil(window.right / mcuWidth) + 1);
  }

  /** Whether a row of MCUs has samples that are needed. */
  isNeeded(mcuRow: number): boolean {
    const { groups, groupRows } = this.#frame;
    const height = groups * groupRows;
    return (mcuRow + 2) * height > this.#window.top && (mcuRow - 1) * height < this.#window.bottom;
  }

  /** The rows of pixels that a row of MCUs completes, whose samples are in the planes; the last group may wait for the next. */
  finishRow(mcuRow: number): Rows | undefined {
    const { mcusDown, groups, groupRows, height, context } = this.#frame;
    const isLast = mcuRow === mcusDown - 1;
    if (context) this.#prepareEdges(mcuRow);
    else if (this.planes.some(({ component }) => component.upsampling === 'fancy-across')) this.#padLines();
    const first = context && mcuRow > 0 ? -1 : 0;
    const end = context && !isLast ? groups - 1 : groups;
    const top = (mcuRow * groups + first) * groupRows;
    const bottom = Math.min((mcuRow * groups + end) * groupRows, height);
    const { kernels } = this.#workspace;
    let rows: Rows | undefined;
    if (bottom > this.#window.top && top < this.#window.bottom && bottom > top) {
      if (this.#colors === 'gray') {
        const { at, stride } = this.planes[0]!;
        rows = { at, stride, plane: 0, first: top, count: bottom - top };
      } else {
        const stride = 3 * this.#outPlane;
        for (let y = top; y < bottom; y++) {
          if (y >= this.#window.top && y < this.#window.bottom) {
            this.#makeRow(y - mcuRow * groups * groupRows, this.#out + (y - top) * stride);
          }
        }
        rows = { at: this.#out, stride, plane: this.#outPlane, first: top, count: bottom - top };
      }
    }
    if (context && !isLast) {
      // The last two groups go before the next row of MCUs. They do not overlap: a row has eight, or four, or two.
      for (const { at, stride, lines, component } of this.planes) {
        const kept = 2 * component.groupLines * stride;
        kernels.copyBytes(at - BEFORE + lines * stride - kept, at - BEFORE - kept, kept);
      }
    }
    return rows;
  }

  /** Copies of the outermost samples at the picture's edges, which make the filters' special cases the general one. */
  #prepareEdges(mcuRow: number): void {
    const { kernels } = this.#workspace;
    this.#padLines();
    for (const { component, at, stride, lines } of this.planes) {
      const line = (y: number) => at - BEFORE + y * stride;
      if (mcuRow === 0) kernels.copyBytes(line(0), line(-1), stride);
      if (mcuRow < this.#frame.mcusDown - 1) continue;
      const last = component.height - mcuRow * lines;
      kernels.copyBytes(line(last - 1), line(last), stride);
    }
  }

  #padLines(): void {
    const { bytes } = this.#workspace;
    for (const { component, at, stride, lines } of this.planes) {
      if (!component.upsampling.startsWith('fancy')) continue;
      for (let y = 0, line = at; y < lines; y++, line += stride) {
        bytes[line - 1] = bytes[line] as number;
        bytes[line + component.width] = bytes[line + component.width - 1] as number;
      }
    }
  }

  /** A row of pixels, counted from the row of MCUs; planes of RGB from `out` on. */
  #makeRow(row: number, out: Pointer): void {
    const { kernels } = this.#workspace;
    const { mcuWidth, width } = this.#frame;
    const left = this.firstMcu * mcuWidth;
    const count = Math.min(this.endMcu * mcuWidth, width) - left;
    const lines = this.planes.map((plane) => this.#fullLine(plane, row) + left);
    const [first, second, third, black] = lines as [Pointer, Pointer, Pointer, Pointer | undefined];
    const colors = this.#colors;
    const to = out + left;
    if (colors === 'ycc' || colors === 'ycck') {
      kernels.convertYcc(first, second, third, to, this.#outPlane, count);
    } else {
      for (const [p, from] of [first, second, third].entries()) kernels.copyBytes(from, to + p * this.#outPlane, count);
    }
    if (black === undefined) return;
    for (let p = 0; p < 3; p++) kernels.applyBlack(to + p * this.#outPlane, black, colors === 'cmyk' ? 1 : 0, count);
  }

  /** A component's line as wide as the picture. */
  #fullLine(plane: Plane, row: number): Pointer {
    const { kernels } = this.#workspace;
    const { component, at, stride, full } = plane;
    const { upsampling, timesAcross, timesDown, side, across, width } = component;
    const y = Math.floor(row / timesDown);
    const line = at + y * stride;
    if (upsampling === 'none') return line;
    const left = this.firstMcu * across * side;
    const count = Math.min(this.endMcu * across * side, width) - left;
    const from = line + left;
    const to = full + left * timesAcross;
    const upper = row - y * timesDown === 0;
    const far = from + (upper ? -stride : stride);
    if (upsampling === 'fancy-across') kernels.doubleAcross(from, to, count);
    else if (upsampling === 'fancy-down') kernels.blendLines(from, far, upper ? 1 : 2, to, count);
    else if (upsampling === 'fancy-both') kernels.doubleBoth(from, far, to, count, this.#sums);
    else kernels.repeatSamples(from, to, count, timesAcross);
    return full;
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
