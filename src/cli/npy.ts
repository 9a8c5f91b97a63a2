/** NumPy's array file, version 1.0 (NumPy Enhancement Proposal 1). */

const MAGIC = '\x93NUMPY\x01\x00';
/** Data starts at a multiple of this. */
const ALIGNMENT = 64;

/** What precedes the rows: little-endian float32, C order, shape (rows, width). */
export function npyHeader(rows: number, width: number): Uint8Array {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const before = MAGIC.length + 2;
  const total = Math.ceil((before + dict.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = Buffer.from(`${MAGIC}  ${dict.padEnd(total - before - 1)}\n`, 'latin1');
  bytes.writeUInt16LE(total - before, MAGIC.length);
  return bytes;
}

/** A row in the file's byte order, which is little-endian on every machine. */
export function npyRow(row: Float32Array): Uint8Array {
  const bytes = new Uint8Array(row.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < row.length; i++) view.setFloat32(i * 4, row[i]!, true);
  return bytes;
}
