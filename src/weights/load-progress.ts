/** How far the loading of a model is. */
import type { Tower } from '../model/config.ts';

/** Called while loading, with the bytes of the tower's memory that are filled, and their total. */
export type LoadProgress = (progress: { tower: Tower; loaded: number; total: number }) => void;
