/** Reads NumPy's array file as NumPy's documentation has it (format 1.0). */
export function readNpy(bytes: Buffer): { shape: [number, number]; rows: Float32Array[] } {
  if (bytes.toString('latin1', 0, 8) !== '\x93NUMPY\x01\x00') throw new Error('no NumPy file');
  const length = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + length);
  const found = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(header);
  if (!found) throw new Error(`unexpected header ${JSON.stringify(header)}`);
  const shape: [number, number] = [Number(found[1]), Number(found[2])];
  const data = bytes.subarray(10 + length);
  if ((10 + length) % 64 !== 0) throw new Error('the data does not begin at a multiple of 64');
  if (data.length !== shape[0] * shape[1] * 4) throw new Error(`${data.length} bytes for shape ${shape}`);
  const rows = Array.from({ length: shape[0] }, (_, i) =>
    Float32Array.from({ length: shape[1] }, (_, j) => data.readFloatLE((i * shape[1] + j) * 4)),
  );
  return { shape, rows };
}
