/** CRC-32 as PNG and zip use it (polynomial 0xedb88320, reflected; PNG specification, annex D). */

/** For byte b: b's effect on the register after one, two, three and four bytes. */
let crcTables: Int32Array[] | undefined;

/**
 * The checksum of some bytes, four per step.
 * @param before the sum of what comes before `bytes`
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  crcTables ??= makeCrcTables();
  const [one, two, three, four] = crcTables as [Int32Array, Int32Array, Int32Array, Int32Array];
  let crc = ~before;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    crc =
      four[(crc ^ bytes[i]!) & 255]! ^
      three[((crc >>> 8) ^ bytes[i + 1]!) & 255]! ^
      two[((crc >>> 16) ^ bytes[i + 2]!) & 255]! ^
      one[(crc >>> 24) ^ bytes[i + 3]!]!;
  }
  for (; i < bytes.length; i++) crc = one[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function makeCrcTables(): Int32Array[] {
  const one = Int32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    return c;
  });
  const tables = [one];
  for (let k = 1; k < 4; k++) tables.push(tables[k - 1]!.map((c) => one[c & 255]! ^ (c >>> 8)));
  return tables;
}
