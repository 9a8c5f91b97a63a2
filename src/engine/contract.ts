/**
 * The contract between the kernels and TypeScript: every number that both sides must agree on, once. asc compiles this file
 * into the kernels and tsc into the package, so it holds plain constants and imports nothing.
 */

// ---- Packed rows: the left operand of a GEMM (assembly/packed-rows.ts) ----

/** Rows in a group of packed rows: as many as a tile has. */
export const ROW_GROUP = 5;

/** Columns in a panel of B, and channels in a vector of the depthwise kernels. */
export const PANEL_COLUMNS = 8;

// ---- Activations ----

/** Activations of a GEMM's epilogue, and of `mapFunction`. */
export const ACTIVATION_NONE = 0;
/** x sigmoid(1.702 x). */
export const ACTIVATION_QUICK_GELU = 1;
/** x/2 (1 + erf(x / sqrt 2)). */
export const ACTIVATION_GELU = 2;
/** min(max(x, 0), 6). */
export const ACTIVATION_RELU6 = 3;
/** max(x, 0). The one activation that comes after the residual is added, as at the end of a ResNet's block. */
export const ACTIVATION_RELU = 4;
/** The bits of a GEMM's `mode` that hold the activation. */
export const ACTIVATION_MASK = 7;
/** Functions that `mapFunction` has beside the activations: 2^x and erf. */
export const FUNCTION_POWER_OF_TWO = 8;
export const FUNCTION_ERF = 9;

/** Flag of `mode`: add the result to C, the residual stream. */
export const MODE_ADD = 8;
/** Flag of `mode`: store i16 = round(ACTIVATION_MAX / 6 * x). ReLU6 bounds x, so the scale is known beforehand. */
export const MODE_FIXED = 16;
/** Flag of `mode`: the tile variant with a splat load for each row. It changes the speed in some engines, never the result. */
export const MODE_SPLAT = 32;

/** Largest magnitude of an i16 activation: 14 bits with sign, what the relaxed build's hi/lo split can hold. */
export const ACTIVATION_MAX = 8191;

// ---- Scratch of a GEMM call ----
//
//   offset            bytes                          what
//   0                 CONSTANTS_BYTES                constants of the activations (assembly/math.ts)
//   GEMM_SUMS         4 ROW_BLOCK SUM_ROW_BYTES      sums of up to four panels, [panels][rows][8] of i32 or f32
//   GEMM_PRODUCTS     7 ROW_BLOCK SUM_ROW_BYTES      Strassen's seven products of the first level; once they are joined,
//                                                    QuickGELU's powers or GELU's erfs of a panel
//   GEMM_SECOND       7 ROW_BLOCK/4 SUM_ROW_BYTES    Strassen's seven products of the second level
//   GEMM_KEPT         24 k                           parts of B as i16: B11, B22 and a difference, k/2 by 8 each
//
// gemmF32, and gemmInt8 without `aHalves`, use the first two and the powers alone. GEMM_SCRATCH_BYTES ends at GEMM_KEPT.

/** Bytes of one row of sums: 8 columns of i32 or f32. */
export const SUM_ROW_BYTES = 32;
/** Most rows that share a pass over B's panels in int8: 140 rows of k = 768 are 210 kB, which stays in L2 beside some panels. */
export const ROW_BLOCK = 28 * ROW_GROUP;
/** The same in f32: 65 rows of k = 768 are 195 kB. */
export const ROW_BLOCK_F32 = 13 * ROW_GROUP;
/** Bytes of the table of constants that activations and softmax read. */
export const CONSTANTS_BYTES = 26 * 16;
export const GEMM_SUMS = CONSTANTS_BYTES;
export const GEMM_PRODUCTS = GEMM_SUMS + 4 * ROW_BLOCK * SUM_ROW_BYTES;
export const GEMM_SECOND = GEMM_PRODUCTS + 7 * ROW_BLOCK * SUM_ROW_BYTES;
export const GEMM_KEPT = GEMM_SECOND + 7 * (ROW_BLOCK / 4) * SUM_ROW_BYTES;
/** Scratch bytes of a GEMM call without Strassen's kept parts. */
export const GEMM_SCRATCH_BYTES = GEMM_KEPT;
/** Bytes of scratch for each value of k that Strassen's kept parts take. */
export const GEMM_KEPT_BYTES_PER_K = 24;

/** Bytes of a row's maximum, as gemmInt8 leaves it for quantizeRows: four f32 lanes. */
export const MAXIMUM_BYTES = 16;

// ---- Strassen's halves (assembly/strassen.ts) ----
//
// The tiles of a product share the cost of its differences and of joining it, so there must be some, and they must be long.

/** Groups of rows, and values of a row, from which on one level of halves pays; k must be a multiple of the step. */
export const HALVED_GROUPS = 5;
export const HALVED_K = 256;
export const HALVED_K_STEP = 16;
/** The same for two levels. */
export const QUARTERED_GROUPS = 20;
export const QUARTERED_K = 512;
export const QUARTERED_K_STEP = 32;
/** Products of a level. */
export const STRASSEN_PRODUCTS = 7;
/** Columns that two levels take together. */
export const QUARTERED_COLUMNS = 4 * PANEL_COLUMNS;

// ---- Powers of two (assembly/math.ts, src/model/logit-scale.ts) ----
//
// 2^f = 1 + f Q(f) for f in [-1/2, 1/2], with Q the minimax polynomial of degree 5; relative error 2.6e-9.

export const POWER_C1 = 0.693147214968;
export const POWER_C2 = 0.240226527829;
export const POWER_C3 = 0.0555031055101;
export const POWER_C4 = 0.00961769297299;
export const POWER_C5 = 0.00134066439024;
export const POWER_C6 = 0.000155946781613;

// ---- XXH32 (assembly/checksum.ts, src/weights/checksum.ts): its primes, as signed integers ----

export const XXH32_PRIME_1 = -1640531535;
export const XXH32_PRIME_2 = -2048144777;
export const XXH32_PRIME_3 = -1028477379;
export const XXH32_PRIME_4 = 668265263;
export const XXH32_PRIME_5 = 374761393;
