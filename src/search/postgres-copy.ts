/** Vectors as PostgreSQL sends and takes them in binary: pgvector's f32 are big-endian, behind their number and two zero bytes. */
import { checkUnit } from './index-checks.ts';

/** Bytes that are sent at once. */
const PIECE_BYTES = 1 << 16;
const SIGNATURE = [...'PGCOPY\n\xff\r\n\0'].map((char) => char.charCodeAt(0));

/** What `COPY vectors (id, vector) FROM STDIN (FORMAT binary)` reads. */
export function* copyRows(ids: readonly number[], vectors: readonly Float32Array[]): Generator<Uint8Array> {
  const rowBytes = 2 + 4 + 8 + 4 + 4 + (vectors[0]?.length ?? 0) * 4;
  const rows = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  yield Uint8Array.from([...SIGNATURE, 0, 0, 0, 0, 0, 0, 0, 0]); // neither flags nor an extension
  for (let first = 0; first < ids.length; first += rows) {
    const n = Math.min(rows, ids.length - first);
    const piece = new DataView(new ArrayBuffer(n * rowBytes));
    for (let i = 0; i < n; i++) writeRow(piece, i * rowBytes, ids[first + i]!, vectors[first + i]!);
    yield new Uint8Array(piece.buffer);
  }
  yield Uint8Array.of(0xff, 0xff);
}

/** int16 fields, then each with its int32 length: int64 id; int16 dimension, int16 zero, f32[dimension]. */
function writeRow(piece: DataView, at: number, id: number, vector: Float32Array): void {
  piece.setInt16(at, 2);
  piece.setInt32(at + 2, 8);
  piece.setBigInt64(at + 6, BigInt(id));
  piece.setInt32(at + 14, 4 + vector.length * 4);
  piece.setInt16(at + 18, vector.length);
  for (const [i, value] of vector.entries()) piece.setFloat32(at + 22 + 4 * i, value);
}

/** A vector of length 1 from what `vector_send` returns; undefined if it is none of this dimension. */
export function sentVector(bytes: Uint8Array, dimension: number): Float32Array | undefined {
  if (bytes.byteLength !== 4 + dimension * 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vector = Float32Array.from({ length: dimension }, (_, i) => view.getFloat32(4 + 4 * i));
  return checkUnit(vector) ? vector : undefined;
}
