/** How far the loading of a model is. */
import type { Tower } from '../model/config.ts';

/**
 * Called while loading: with the bytes of a file that is fetched, and then with the bytes of a tower's memory that are filled,
 * and their total.
 */
export type LoadProgress = (
  progress:
    | { readonly file: string; readonly tower?: undefined; readonly loaded: number; readonly total: number }
    | { readonly tower: Tower; readonly file?: undefined; readonly loaded: number; readonly total: number },
) => void;
