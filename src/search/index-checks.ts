/** Checks of what an index is loaded from. */
import { isObject } from '../json.ts';
import type { VectorId } from './vectors.ts';

/** Whether a vector has the length 1, or 0, as far as f32 can say: the bounds of a search rest on it. */
export function checkUnit(vector: Float32Array): boolean {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += vector[i]! * vector[i]!;
  return squares === 0 || Math.abs(squares - 1) < 2 ** -21;
}

/** The ids of a file. */
export function checkJsonIds(json: string, count: number, fail: (message: string) => never): VectorId[] {
  let ids: unknown;
  try {
    ids = JSON.parse(json);
  } catch {
    fail('its ids are not JSON');
  }
  const isId = (id: unknown) => typeof id === 'string' || Number.isSafeInteger(id);
  if (isObject(ids) || !Array.isArray(ids) || ids.length !== count || !ids.every(isId)) {
    return fail(`expected ${count} ids, each text or a whole number`);
  }
  if (new Set(ids).size !== count) fail('an id comes twice');
  return ids;
}
