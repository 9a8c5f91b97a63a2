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
/** Bytes behind the limit of the output that may be written: two literals, a longest match, and what a vector writes too much. */
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

// ---- JPEG (assembly/pictures/jpeg-*.ts, src/image/jpeg-rows.ts) ----

/** Bits that a Huffman code is first looked up by. */
export const LOOKUP_BITS = 10;

// A derived Huffman table: the look-up, then what longer codes need.
//
//   offset             bytes       what
//   0                  4 << LOOKUP_BITS   entries, see assembly/pictures/jpeg-huffman.ts
//   HUFFMAN_LONG       17 * 8      for each code length: largest code (i32, -1 if none), index of its first value less the code
//   HUFFMAN_VALUES     256         values
//   HUFFMAN_COUNTS     16          how many codes of each length, the input of buildHuffman, with the values

export const HUFFMAN_LONG = 4 << LOOKUP_BITS;
export const HUFFMAN_VALUES = HUFFMAN_LONG + 17 * 8;
export const HUFFMAN_COUNTS = HUFFMAN_VALUES + 256;
export const HUFFMAN_BYTES = HUFFMAN_COUNTS + 16;

// The state of a scan, i32 fields at these offsets; SCAN_BITS is a u64.

/** Bits that were read from the file but not used, from the highest on. */
export const SCAN_BITS = 0;
/** How many they are, zeros behind the end of the data included. */
export const SCAN_COUNT = 8;
/** How many of them are such zeros. */
export const SCAN_PADDING = 12;
/** Address of the next byte of the file, and of the end of those in memory. */
export const SCAN_NEXT = 16;
export const SCAN_END = 20;
/** Whether the file ends there. */
export const SCAN_FINAL = 24;
/** MCUs between restart markers (0: there are none), those until the next, and its number, 0 to 7. */
export const SCAN_INTERVAL = 28;
export const SCAN_TO_RESTART = 32;
export const SCAN_RESTART = 36;
/** Progressive: blocks that end at once. */
export const SCAN_END_RUN = 40;
/** The next MCU of the row, and MCUs in a row. */
export const SCAN_MCU = 44;
export const SCAN_MCUS = 48;
/** Components of the scan. */
export const SCAN_COMPONENTS = 52;
/** Progressive: the band of coefficients, and the bit positions of the last scan and of this one. */
export const SCAN_FIRST = 56;
export const SCAN_LAST = 60;
export const SCAN_HIGH = 64;
export const SCAN_LOW = 68;
/** What the scan does: one of the MODE_ values. */
export const SCAN_MODE = 72;
/** MCUs of a row whose pixels are wanted: first, and one past the last. */
export const SCAN_WANTED = 76;
export const SCAN_WANTED_END = 80;
/** Where coefficient k goes: byte offsets in a block, u8[64 + 16], as zigzag order counts; damaged data lead behind the 64th. */
export const SCAN_ORDER = 96;
/** A block of coefficients: i16[64]. */
export const SCAN_BLOCK = 192;
/** Scratch of the inverse transform. */
export const SCAN_WORK = 320;
/** Records of the components. */
export const SCAN_RECORDS = 448;

// A component's record: i32 fields.

export const RECORD_BYTES = 64;
/** Blocks of an MCU, across and down. */
export const RECORD_ACROSS = 0;
export const RECORD_DOWN = 4;
/** Addresses of its Huffman tables and of its quantization table, u16[64] in natural order. */
export const RECORD_DC_TABLE = 8;
export const RECORD_AC_TABLE = 12;
export const RECORD_QUANTIZATION = 16;
/** The last DC coefficient. */
export const RECORD_DC = 20;
/** Pixels mode: address of the plane's row of blocks, bytes from a line of pixels to the next. Else of the blocks, and from a row of blocks to the next. */
export const RECORD_AT = 24;
export const RECORD_STRIDE = 28;
/** Blocks of a row and rows of blocks in the MCU row that are inside the picture. */
export const RECORD_WIDTH = 32;
export const RECORD_HEIGHT = 36;
/** Side of a block in pixels: 8, or less for a picture that is reduced. */
export const RECORD_SIDE = 40;

export const SCAN_BYTES = SCAN_RECORDS + 4 * RECORD_BYTES;

/** One scan holds all components: blocks become pixels at once. */
export const MODE_PIXELS = 0;
/** Several scans: coefficients are kept. Sequential, or progressive by band and pass. */
export const MODE_SEQUENTIAL = 1;
export const MODE_DC_FIRST = 2;
export const MODE_DC_REFINE = 3;
export const MODE_AC_FIRST = 4;
export const MODE_AC_REFINE = 5;

/** What decodeMcus returns: the row of MCUs is done, more of the file is needed, or the data end before the picture does. */
export const MCUS_DONE = 0;
export const MCUS_INPUT = 1;
export const MCUS_TRUNCATED = 2;
/** Bytes that are more than one MCU takes: 10 blocks of 64 coefficients of 4 bytes, each perhaps followed by a stuffed zero. */
export const MCU_BYTES = 8192;

// Smoothing between blocks: estimates, i32 fields each, and the five rows of blocks around (u32 addresses) before them.

export const SMOOTH_ROWS = 5;
/** Byte offset of the coefficient, its quantization, and how many of its lowest bits are not known (-1: none is known). */
export const ESTIMATE_OFFSET = 0;
export const ESTIMATE_QUANTIZATION = 4;
export const ESTIMATE_BITS = 8;
/** Weights of the DC coefficients around: i32[5][5]. */
export const ESTIMATE_WEIGHTS = 12;
export const ESTIMATE_BYTES = ESTIMATE_WEIGHTS + 25 * 4;
