/** Which coefficients a scan of a JPEG has, and which of their bits: all, the first ones, or one more (T.81, G.1.1). */
import * as c from './contract.ts';
import type { Part } from './jpeg-scan.ts';
import { damaged, type ScanHeader } from './jpeg-segments.ts';

export interface ScanKind {
  /** One of the contract's MODE_ numbers. */
  readonly mode: number;
  /** Whether it needs Huffman tables of DC, and of AC. */
  readonly usesDc: boolean;
  readonly usesAc: boolean;
}

/** A scan of a file that is not progressive has all bits of all coefficients. */
export const SEQUENTIAL: ScanKind = { mode: c.MODE_SEQUENTIAL, usesDc: true, usesAc: true };

/**
 * A scan of a progressive file. Its components know the bits from now on.
 * @throws ClipError IMAGE_FORMAT for bits or coefficients that no scan may have
 */
export function progressiveScan({ first, last, high, low }: ScanHeader, parts: readonly Part[]): ScanKind {
  const isDc = first === 0;
  const band = isDc ? last === 0 : first <= last && last < 64 && parts.length === 1;
  if (!band || (high !== 0 && low !== high - 1) || low > 13) {
    throw damaged(`a progressive scan of coefficients ${first} to ${last}, bits ${high} to ${low}`);
  }
  for (const { known } of parts) known.fill(low, first, last + 1);
  const refines = high !== 0;
  if (isDc) return { mode: refines ? c.MODE_DC_REFINE : c.MODE_DC_FIRST, usesDc: !refines, usesAc: false };
  return { mode: refines ? c.MODE_AC_REFINE : c.MODE_AC_FIRST, usesDc: false, usesAc: true };
}
