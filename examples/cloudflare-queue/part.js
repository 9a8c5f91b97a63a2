// A part's rows as Parquet, in the schema of `edgeclip batch`. The same rows give the same bytes.
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';

const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
const schema = [
  { name: 'schema', num_children: 3 },
  { name: 'key', repetition_type: 'REQUIRED', ...text },
  { name: 'embedding', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: 'REQUIRED', type: 'FLOAT' },
  { name: 'error', repetition_type: 'OPTIONAL', ...text },
];

/** @param rows of `{ key, embedding }` or `{ key, error }` */
export function partBytes(rows, part, clip) {
  const { model, precision, image } = clip.info();
  const made = { model: { name: model, precision, fingerprint: image.fingerprint }, part, pictures: rows.length };
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema, codec: 'UNCOMPRESSED', statistics: false, createdBy: 'edgeclip' });
  const columnData = [
    { name: 'key', data: rows.map(({ key }) => key) },
    { name: 'embedding', data: rows.map(({ embedding }) => embedding && Array.from(embedding)), encoding: 'PLAIN' },
    { name: 'error', data: rows.map(({ error }) => error) },
  ];
  parquet.write({ columnData });
  parquet.kvMetadata = [{ key: 'edgeclip', value: JSON.stringify(made) }];
  parquet.finish();
  return new Uint8Array(writer.getBuffer());
}
