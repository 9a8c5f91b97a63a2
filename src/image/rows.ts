/**
 * Rows of pixels, from the decoders to the resize (resample.ts). A decoder is fed a file in pieces and hands out rows from top
 * to bottom in the memory of a workspace (workspace.ts), so that no picture need ever be whole in memory.
 *
 *     const decoder = new JpegRows(workspace);
 *     decoder.push(bytes);
 *     decoder.end();
 *     for (;;) {
 *       const step = decoder.step();
 *       if (step === 'end') break;
 *       if (step === 'header') crop = new Crop(workspace, decoder.header, geometry); // after a check of the limits
 *       else if (step !== 'busy') crop.take(step);
 *     }
 *
 * The caller lets the event loop turn between two steps.
 */
import type { Pointer } from '../engine/kernels.ts';
import type { Metadata } from './orientation.ts';

/** A picture's size and the kind of its rows. */
export interface RowFormat {
  /** Pixels of a row. */
  readonly width: number;
  /** Rows of the picture. */
  readonly height: number;
  /** 1 gray, 3 RGB, 4 RGB and a fourth byte that is ignored. */
  readonly channels: 1 | 3 | 4;
  /** Whether a row is three planes, R, G and B, instead of interleaved pixels. Only with 3 channels. */
  readonly planar: boolean;
}

/** What a file says before its first row. */
export interface PictureHeader extends RowFormat {
  /** EXIF and XMP, for the orientation. */
  readonly metadata: Metadata;
  /** Whether all pixels are held in memory before the first row is handed out. */
  readonly isWhole?: boolean;
}

/**
 * Consecutive rows in the memory of the workspace, valid until the decoder's next step. {@link ROW_SLACK} bytes behind each
 * row, and behind each plane, can be read, whatever they hold.
 */
export interface Rows {
  /** The first pixel of the first row: u8. */
  readonly at: Pointer;
  /** Bytes from a row to the next. */
  readonly stride: number;
  /** Bytes from a row's plane to its next plane; 0 unless planar. */
  readonly plane: number;
  /** Which row of the picture is the first. */
  readonly first: number;
  readonly count: number;
}

/** A part of a picture: columns left .. right - 1 of rows top .. bottom - 1. */
export interface Window {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** What takes the rows of a picture. */
export interface RowSink {
  /** The first row that is needed, and one past the last. */
  readonly firstRow: number;
  readonly endRow: number;
  /** The pixels that are needed, if not all of these rows. */
  readonly window?: Window;
  /** Takes the next rows. All that are needed come once, in order; others do not matter. */
  take(rows: Rows): void;
}

/** Bytes behind a row that the resize may read. Workspaces end with as many. */
export const ROW_SLACK = 64;

/**
 * What came of a step: `input` if bytes are missing (`push` or `end` comes next), `header` once, when `header` is set and
 * nothing is reserved yet that depends on it, `busy` if there is more to do without a new row, rows, `end` after the last row.
 */
export type Step = 'input' | 'header' | 'busy' | 'end' | Rows;

/** A decoder of one picture. */
export interface RowDecoder {
  /** Set when `step` has returned `header`. */
  readonly header: PictureHeader | undefined;
  /**
   * Gives the next bytes of the file, any number of them. Only when `step` asked for input, and before the first step. They
   * must not change until `step` asks again.
   */
  push(bytes: Uint8Array): void;
  /** Says that no bytes follow those that were pushed. */
  end(): void;
  /** Says, when `header` is there, which pixels are wanted: others need not be right, nor their rows be handed out. */
  want?(window: Window): void;
  /**
   * Does some work: at most about 5 ms of it, so that the caller can let the event loop turn and look at its signal.
   * After an error the decoder must not be used any more.
   * @throws ClipError IMAGE_FORMAT (damaged, or of a kind that is not supported), IMAGE_TRUNCATED, IMAGE_TOO_LARGE (beyond
   *   the work or memory that its header justifies), UNSUPPORTED if memory is short
   */
  step(): Step;
}
