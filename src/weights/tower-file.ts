/** A tower's file, opened: what loading needs of it. */

import type { Layout } from '../engine/layout.ts';
import type { Tower } from '../model/config.ts';
import type { TowerSlot } from '../model/slots.ts';
import type { Checksum } from './checksum.ts';
import type { LoadProgress } from './load-progress.ts';

export interface TowerFile {
  readonly tower: Tower;
  readonly layout: Layout<TowerSlot>;
  /** Element types of the tower's tensors in the file, or how it is packed: `packed int8`. */
  readonly stored: readonly string[];
  /**
   * Fills `into` (layout.byteLength bytes, at a multiple of 4), some tensors at a time; nothing is kept.
   * @throws ClipError WEIGHTS_*, IO; the signal's reason if aborted
   */
  fill(into: Uint8Array, options?: FillOptions): Promise<void>;
}

export interface FillOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: LoadProgress | undefined;
  /** XXH32 of a part of `into`: the kernel, where there is one (in a process that just started, JavaScript takes five times as long). */
  readonly checksum?: Checksum | undefined;
}
