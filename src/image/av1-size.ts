/**
 * The largest picture that AV1 data ask for: the sizes in their sequence headers (AV1 Bitstream & Decoding Process
 * Specification, 5.3 and 5.5). The decoder reserves memory by them, whatever the file around them says.
 */

/** Type of an open bitstream unit (OBU) that holds a sequence header. */
const SEQUENCE_HEADER = 1;

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The largest size that is announced in `data`, a run of OBUs; 0 x 0 if there is none. */
export function av1Size(data: Uint8Array): Size {
  let largest: Size = { width: 0, height: 0 };
  for (let at = 0; at < data.length; ) {
    const header = data[at]!;
    at += header & 4 ? 2 : 1;
    let size = data.length - at;
    if (header & 2) {
      size = 0;
      for (let shift = 0; shift < 56; shift += 7) {
        const byte = data[at++] ?? 0;
        size += (byte & 127) * 2 ** shift;
        if (byte < 128) break;
      }
    }
    if (((header >> 3) & 15) === SEQUENCE_HEADER) {
      const found = sequenceSize(new Bits(data.subarray(at, at + size)));
      if (found.width * found.height > largest.width * largest.height) largest = found;
    }
    at += size;
  }
  return largest;
}

/** Bits from the highest on; zeros behind the end. */
class Bits {
  #at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      value = value * 2 + (((this.#bytes[this.#at >> 3] ?? 0) >> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  /** A number after as many zeros as it has bits (4.10.3). */
  skipVariable(): void {
    let zeros = 0;
    while (zeros < 32 && this.read(1) === 0) zeros++;
    if (zeros < 32) this.read(zeros);
  }
}

/** max_frame_width_minus_1 and max_frame_height_minus_1 of a sequence header (5.5.1), each plus one. */
function sequenceSize(bits: Bits): Size {
  bits.read(3); // seq_profile
  bits.read(1); // still_picture
  const reduced = bits.read(1) === 1;
  if (reduced)
    bits.read(5); // seq_level_idx
  else skipOperatingPoints(bits);
  const widthBits = bits.read(4) + 1;
  const heightBits = bits.read(4) + 1;
  return { width: bits.read(widthBits) + 1, height: bits.read(heightBits) + 1 };
}

function skipOperatingPoints(bits: Bits): void {
  let delayBits = 0;
  if (bits.read(1) === 1) {
    bits.read(64); // timing_info
    if (bits.read(1) === 1) bits.skipVariable(); // num_ticks_per_picture_minus_1
    if (bits.read(1) === 1) {
      delayBits = bits.read(5) + 1; // decoder_model_info
      bits.read(42);
    }
  }
  const hasDelays = bits.read(1) === 1;
  const points = bits.read(5) + 1;
  for (let i = 0; i < points; i++) {
    bits.read(12); // operating_point_idc
    if (bits.read(5) > 7) bits.read(1); // seq_level_idx, seq_tier
    if (delayBits > 0 && bits.read(1) === 1) bits.read(2 * delayBits + 1);
    if (hasDelays && bits.read(1) === 1) bits.read(4);
  }
}
