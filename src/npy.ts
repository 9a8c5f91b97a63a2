/** NumPy's array file, version 1.0 (NumPy Enhancement Proposal 1). */

const MAGIC = '\x93NUMPY\x01\x00';
/** Data starts at a multiple of 64. 128 bytes have room for any shape, so the header can be rewritten in place. */
export const NPY_HEADER_BYTES = 128;

/** The header: little-endian float32 (or float16), C order, shape (rows, width). */
export function npyHeader(rows: number, width: number, type: '<f4' | '<f2' = '<f4'): Uint8Array {
  const dict = `{'descr': '${type}', 'fortran_order': False, 'shape': (${rows}, ${width}), }`;
  const before = MAGIC.length + 2;
  const bytes = Buffer.from(`${MAGIC}  ${dict.padEnd(NPY_HEADER_BYTES - before - 1)}\n`, 'latin1');
  bytes.writeUInt16LE(NPY_HEADER_BYTES - before, MAGIC.length);
  return bytes;
}

/** Whether these bytes are a header by `npyHeader` for rows of this width. */
export function isNpyHeader(bytes: Uint8Array, width: number): boolean {
  const text = Buffer.from(bytes).toString('latin1');
  const rows = /'shape': \((\d+), /.exec(text)?.[1];
  return rows !== undefined && Buffer.compare(npyHeader(Number(rows), width), bytes) === 0;
}

/** A row in little-endian byte order. */
export function npyRow(row: Float32Array): Uint8Array {
  const bytes = new Uint8Array(row.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < row.length; i++) view.setFloat32(i * 4, row[i]!, true);
  return bytes;
}
