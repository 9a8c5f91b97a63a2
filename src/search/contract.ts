/**
 * The contract between the search module (assembly/search) and TypeScript, as src/engine/contract.ts is for the kernels:
 * asc and tsc both compile it, so it holds plain constants and imports nothing.
 */

/** A record has a multiple of this many codes, so that its vectors of bytes are whole. */
export const CODE_GROUP = 16;
/** Codes are -CODE_MAX to CODE_MAX. */
export const CODE_MAX = 127;

// ---- A record: [codes i8[d]][scale f32][error f32][0 x 8] ----

/** Bytes behind the codes. */
export const RECORD_TAIL_BYTES = 16;
/** Offset of the error behind the codes; the scale is at 0. */
export const RECORD_ERROR = 4;

// ---- A query's numbers: [scale f64][error f64][length f64] ----

export const QUERY_NUMBERS = 3;
export const QUERY_ERROR = 8;
export const QUERY_LENGTH = 16;
