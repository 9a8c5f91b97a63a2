/** The Huffman tables of ITU T.81, annex K.3, which Motion JPEG leaves out: libjpeg-turbo has them (jstdhuff.c). */
import { type HuffmanTable, readHuffman } from './jpeg-segments.ts';

/** The content of a segment DHT: two tables of DC and two of AC, in hexadecimal. */
const SEGMENT = `
  0000010501010101010100000000000000000102030405060708090a0b100002010303020403050504040000017d0102030004110512213141061351
  6107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a63
  6465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2
  d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa0100030101010101010101010000000000000102030405060708090a0b110002
  0102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f1171819
  1a262728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798
  999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa`;

/** Puts the standard tables where the file has none of its own. Of a progressive file there are none. */
export function addStandardHuffman(tables: (HuffmanTable | undefined)[]): void {
  const standard: (HuffmanTable | undefined)[] = [];
  readHuffman(
    Uint8Array.from(SEGMENT.match(/\w\w/g)!, (digits) => Number.parseInt(digits, 16)),
    standard,
  );
  for (const [i, table] of standard.entries()) tables[i] ??= table;
}
