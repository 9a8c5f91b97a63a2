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

// ---- Inflate (assembly/pictures/inflate.ts) ----

/** What `inflate` returns: the input is used up, the output has reached its limit, the stream has ended, or it is damaged. */
export const INFLATE_INPUT = 1;
export const INFLATE_FULL = 2;
export const INFLATE_DONE = 3;
export const INFLATE_DAMAGED = 4;
/** Inside the kernel only: it goes on. */
export const INFLATE_RUNNING = 0;

/** How far back a match reaches, in bytes. */
export const INFLATE_WINDOW = 32_768;
/** Bytes behind the limit of the output that may be written: a longest match, less one byte, and what a vector writes too much. */
export const INFLATE_SLACK = 288;

/** Bits of the first tables. */
export const INFLATE_LENGTH_BITS = 11;
export const INFLATE_DISTANCE_BITS = 8;
/** Most entries of both kinds of tables, as zlib's examples/enough.c counts them: for 288 symbols and 32, of 15 bits. */
export const INFLATE_LENGTH_ENTRIES = 2342;
export const INFLATE_DISTANCE_ENTRIES = 402;

/** The state: u32 each but for the bit buffer, u64. Set by the caller: in, end, out, limit, and first when the output moves. */
export const INFLATE_BITS = 0;
export const INFLATE_COUNT = 8;
export const INFLATE_MODE = 12;
export const INFLATE_IN = 16;
export const INFLATE_END = 20;
export const INFLATE_OUT = 24;
export const INFLATE_LIMIT = 28;
export const INFLATE_FIRST = 32;
export const INFLATE_LAST = 36;
export const INFLATE_REMAINING = 40;
export const INFLATE_INDEX = 44;
export const INFLATE_LENGTH_SYMBOLS = 48;
export const INFLATE_DISTANCE_SYMBOLS = 52;
export const INFLATE_LENGTH_SIZE = 56;
export const INFLATE_DISTANCE_SIZE = 60;
export const INFLATE_FIXED = 64;
/** The checksum at the end of the stream (Adler-32), once it is done. */
export const INFLATE_SUM = 68;
/** u8 [16][16]: the patterns of matches closer than a vector. */
export const INFLATE_PATTERNS = 80;
/** u8 [320]: code lengths of lengths and literals, then of distances. */
export const INFLATE_CODES = INFLATE_PATTERNS + 256;
/** u16 [16], u16 [16], u16 [288]. */
export const INFLATE_SCRATCH = INFLATE_CODES + 320;
export const INFLATE_LENGTHS = INFLATE_SCRATCH + 640;
export const INFLATE_DISTANCES = INFLATE_LENGTHS + 4 * INFLATE_LENGTH_ENTRIES;
export const INFLATE_STATE_BYTES = INFLATE_DISTANCES + 4 * INFLATE_DISTANCE_ENTRIES;

// ---- Checksums (assembly/pictures/checksums.ts) ----

/** Tables of 256 u32 that `crc32` reads: one for each byte of a step. */
export const CRC_TABLES = 16;
