/** The f32 product of two vectors of length 1 as their cosine: rounding may lead beyond 1 and -1. */

export const asCosine = (product: number): number => Math.min(1, Math.max(-1, product));
