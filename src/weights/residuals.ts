/**
 * Which linear maps keep the error of their int8 weights as a second int8 map. A tower's slots say which may have one (`residualOf`):
 * those whose product has a single row, so that it costs next to nothing. What rounding does to the weights at hand decides.
 */
import type { TowerSlot } from '../model/slots.ts';
import { quantizationResidual } from './panels.ts';
import type { SlotSource } from './slot-source.ts';

/**
 * The largest error that is left alone, relative to the weights. Weights that were trained on an int8 grid are at 1e-7 and below,
 * others at some 0.01: docs/numerics.md has the layers of the embedded model.
 */
export const LARGEST_ERROR = 2 ** -10;

/** |W - W8| / |W| (Frobenius norms) of a map [n, k] and its int8 weights. 0 for zeros. */
export function quantizationError(values: Float32Array, k: number): number {
  const squares = (some: Float32Array) => some.reduce((sum, value) => sum + value * value, 0);
  const all = squares(values);
  return all === 0 ? 0 : Math.sqrt(squares(quantizationResidual(values, k)) / all);
}

/** The slots without the residuals that the weights do not need. */
export async function withNeededResiduals(
  slots: readonly TowerSlot[],
  weights: SlotSource,
  signal?: AbortSignal,
): Promise<TowerSlot[]> {
  const needed: TowerSlot[] = [];
  for (const slot of slots) {
    if (slot.kind === 'linear' && slot.residualOf) {
      const map = slots.find(({ name }) => name === slot.residualOf) as typeof slot;
      const { values } = await weights.read(map, signal);
      if (quantizationError(values, map.k) <= LARGEST_ERROR) continue;
    }
    needed.push(slot);
  }
  return needed;
}
