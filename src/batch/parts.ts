/** The parts of a batch's output: rows of pictures as Parquet, or in the layout of clip-retrieval. The same rows give the same bytes. */
import type { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { NPY_HEADER_BYTES, npyHeader, npyRow } from '../npy.ts';
import type { IndexModel } from '../search/index-model.ts';
import type { PictureOptions } from '../search/photo-store.ts';
import { seal, sha256, UNSEALED } from './checksum.ts';
import { float16, float16Bytes } from './float16.ts';
import { keyText } from './key-text.ts';
import { batchPackage } from './packages.ts';
import { type Layout, numbered } from './plan.ts';
import type { Storage, StoredFile } from './storage.ts';

/** What a part says of a picture's file. */
export interface PictureFacts {
  /** In pixels, as stored. */
  readonly width: number;
  readonly height: number;
  /** SHA-256 of the file's bytes: tells later whether the embedding is that of a file. */
  readonly sha256: string;
}

/** A picture's embedding and facts; or why there is none. */
export type PartRow =
  | ({ readonly key: string; readonly embedding: Float32Array } & PictureFacts)
  | { readonly key: string; readonly error: string };

/** What made the rows: the same for all parts of a batch. */
export interface PartMaker {
  readonly model: IndexModel;
  /** A hash that changes whenever the numbers can change. */
  readonly maker: string;
  readonly version: string;
  readonly dimension: number;
  /** How pictures were prepared. */
  readonly prepared: PictureOptions;
}

/** What a part says of itself, under the key `edgeclip` of the file's metadata. */
export interface PartSummary extends PartMaker {
  readonly part: number;
  /** The check of the shard's line in the plan: which pictures these are. */
  readonly shard: string;
  readonly pictures: number;
  readonly failed: number;
  /** See `checksum.ts`. */
  readonly sha256: string;
  /** SHA-256 of the file of vectors, in the layout of clip-retrieval. */
  readonly vectors?: string;
  /** Pictures without a row, in the layout of clip-retrieval, whose rows are those of the vectors. */
  readonly errors?: readonly { readonly key: string; readonly error: string }[];
}

/** A file of the output. */
export interface PartFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export const METADATA_KEY = 'edgeclip';
/** Rows that are encoded together: enough for a reader, few enough to hold. */
const GROUP_ROWS = 1000;

/** The files of a part. The last one is written last, and says what they are. */
const LAYOUTS: Readonly<Record<Layout, readonly ((part: string) => string)[]>> = {
  parquet: [(part) => `part-${part}.parquet`],
  'clip-retrieval': [(part) => `img_emb/img_emb_${part}.npy`, (part) => `metadata/metadata_${part}.parquet`],
};

export const partFiles = (layout: Layout, part: number): string[] =>
  LAYOUTS[layout].map((name) => name(numbered(part)));

/** The folders of an output's parts, as `Storage.tidy` takes them. */
export const partFolders = (layout: Layout): string[] =>
  partFiles(layout, 0).map((name) => name.slice(0, name.lastIndexOf('/') + 1));

/** A part all of whose files are there. */
export interface DonePart {
  readonly part: number;
  /** As by `partFiles`. */
  readonly files: readonly StoredFile[];
}

/** The parts that are done, in their order. @throws ClipError IO */
export async function doneParts(output: Storage, layout: Layout): Promise<DonePart[]> {
  const found = new Map<number, StoredFile[]>();
  for (const [i, name] of LAYOUTS[layout].entries()) {
    const [start, end] = name('\n').split('\n') as [string, string];
    for await (const file of output.list(start)) {
      const number = file.name.slice(start.length, -end.length);
      if (!/^\d{5,}$/.test(number) || !file.name.endsWith(end)) continue;
      const files = found.get(Number(number)) ?? [];
      if (files.length === i) found.set(Number(number), [...files, file]);
    }
  }
  return [...found]
    .filter(([, files]) => files.length === LAYOUTS[layout].length)
    .map(([part, files]) => ({ part, files }))
    .sort((a, b) => a.part - b.part);
}

type Schema = ConstructorParameters<typeof ParquetWriter>[0]['schema'];

export interface PartOptions {
  readonly layout: Layout;
  readonly half: boolean;
  readonly part: number;
  /** The check of the shard's line in the plan. */
  readonly shard: string;
  readonly made: PartMaker;
}

/** Takes rows in order and gives the part's files, the one that says that it is done last. */
export class PartWriter {
  readonly #options: PartOptions;
  readonly #bytes: ByteWriter;
  readonly #writer: ParquetWriter;
  /** What clip-retrieval keeps beside: the vectors alone, as NumPy's file. */
  readonly #vectors: Uint8Array[] = [];
  readonly #errors: { readonly key: string; readonly error: string }[] = [];
  #rows: PartRow[] = [];
  pictures = 0;
  failed = 0;

  private constructor(options: PartOptions, bytes: ByteWriter, writer: ParquetWriter) {
    this.#options = options;
    this.#bytes = bytes;
    this.#writer = writer;
  }

  /** @throws ClipError UNSUPPORTED without the package */
  static async open(options: PartOptions): Promise<PartWriter> {
    const { ByteWriter, ParquetWriter } = await batchPackage('hyparquet-writer', 'to write parts');
    const bytes = new ByteWriter();
    // Embeddings do not compress; what is left is small.
    const writer = new ParquetWriter({
      writer: bytes,
      schema: schema(options, true),
      codec: 'UNCOMPRESSED',
      statistics: false,
      createdBy: 'edgeclip',
    });
    return new PartWriter(options, bytes, writer);
  }

  add(row: PartRow): void {
    this.pictures++;
    const isBad = 'error' in row;
    if (isBad) this.failed++;
    if (this.#options.layout === 'clip-retrieval') {
      if (isBad) {
        this.#errors.push({ ...row, key: keyText(row.key) });
        return;
      }
      this.#vectors.push(this.#options.half ? halfRow(row.embedding) : npyRow(row.embedding));
    }
    if (this.#rows.push(row) === GROUP_ROWS) this.#writeGroup();
  }

  end(): PartFile[] {
    if (this.#rows.length > 0) this.#writeGroup();
    const { layout, part, shard, made } = this.#options;
    const { pictures, failed } = this;
    const npy = layout === 'clip-retrieval' ? this.#npy() : undefined;
    const beside = npy && { vectors: sha256(npy), errors: this.#errors };
    const summary: PartSummary = { ...made, part, shard, pictures, failed, ...beside, sha256: UNSEALED };
    this.#writer.schema = schema(this.#options);
    this.#writer.kvMetadata = [{ key: METADATA_KEY, value: JSON.stringify(summary) }];
    this.#writer.finish();
    const files = [...(npy ? [npy] : []), seal(new Uint8Array(this.#bytes.getBuffer()))];
    return partFiles(layout, part).map((name, i) => ({ name, bytes: files[i]! }));
  }

  #npy(): Uint8Array {
    const { made, half } = this.#options;
    const npy = new Uint8Array(NPY_HEADER_BYTES + this.#vectors.length * made.dimension * (half ? 2 : 4));
    npy.set(npyHeader(this.#vectors.length, made.dimension, half ? '<f2' : '<f4'));
    let at = NPY_HEADER_BYTES;
    for (const row of this.#vectors) {
      npy.set(row, at);
      at += row.length;
    }
    return npy;
  }

  #writeGroup(): void {
    const rows = this.#rows;
    this.#rows = [];
    const column = (name: string, value: (row: PartRow) => unknown) => ({ name, data: rows.map(value) });
    const numbers = this.#options.half ? (all: Float32Array) => Array.from(all, float16Bytes) : Array.from<number>;
    const embedding = (row: PartRow) => ('error' in row ? undefined : numbers(row.embedding));
    const columnData =
      this.#options.layout === 'parquet'
        ? [
            column('key', ({ key }) => keyText(key)),
            { ...column('embedding', embedding), encoding: 'PLAIN' as const },
            column('width', (row) => ('error' in row ? undefined : row.width)),
            column('height', (row) => ('error' in row ? undefined : row.height)),
            column('sha256', (row) => ('error' in row ? undefined : row.sha256)),
            column('error', (row) => ('error' in row ? row.error : undefined)),
          ]
        : [column('image_path', ({ key }) => keyText(key))];
    this.#writer.write({ columnData, rowGroupSize: GROUP_ROWS });
  }
}

/**
 * Left to itself the library would write vectors as the text of JSON.
 * @param isWriting whether rows are written by it: float16 are two bytes then, as the library would make an array for each number
 */
function schema({ layout, half }: PartOptions, isWriting = false): Schema {
  const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
  if (layout === 'clip-retrieval') {
    return [
      { name: 'schema', num_children: 1 },
      { name: 'image_path', repetition_type: 'REQUIRED', ...text },
    ];
  }
  const twoBytes = { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2 } as const;
  const labeled = { ...twoBytes, logical_type: { type: 'FLOAT16' } } as const;
  const number = half ? (isWriting ? twoBytes : labeled) : ({ type: 'FLOAT' } as const);
  return [
    { name: 'schema', num_children: 6 },
    { name: 'key', repetition_type: 'REQUIRED', ...text },
    { name: 'embedding', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } }, // biome-ignore format: one line a column
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'REQUIRED', ...number },
    { name: 'width', repetition_type: 'OPTIONAL', type: 'INT32' },
    { name: 'height', repetition_type: 'OPTIONAL', type: 'INT32' },
    { name: 'sha256', repetition_type: 'OPTIONAL', ...text },
    { name: 'error', repetition_type: 'OPTIONAL', ...text },
  ];
}

/** float16, little-endian. */
function halfRow(row: Float32Array): Uint8Array {
  const bytes = new Uint8Array(row.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < row.length; i++) view.setUint16(2 * i, float16(row[i]!), true);
  return bytes;
}
