/**
 * The contract between the pictures' module (assembly/pictures) and TypeScript, as src/engine/contract.ts is for the kernels:
 * asc and tsc both compile it, so it holds plain constants and imports nothing.
 */

// ---- Resize (assembly/pictures/resample.ts) ----

/** Coefficients of a pixel come in groups of this many. */
export const TAP_GROUP = 8;
/** Pixels of a vector of bytes. */
export const PIXEL_LANES = 16;
/** Pillow's fixed point (Resample.c, PRECISION_BITS = 32 - 8 - 2): bits after the point of a coefficient. */
export const RESAMPLE_BITS = 22;
/** A coefficient is hi * 2^TAP_LOW_BITS + lo. */
export const TAP_LOW_BITS = 15;
