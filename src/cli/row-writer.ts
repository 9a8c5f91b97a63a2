/** Writes the rows of `embed` and their index, and continues an interrupted run. */
import { EarlierRows, type KeptRow } from './earlier-rows.ts';
import { quote } from './failure.ts';
import { directOutput, isDirect, standardOutput } from './output.ts';
import { PartialFile, type PartialFileOptions } from './partial-file.ts';
import type { Progress } from './progress.ts';
import { FileSink, type RowSink, SpoolSink, StreamSink } from './row-sinks.ts';
import { type IndexLine, type Owner, type RowFormat, rowCheck, type Stamp } from './rows.ts';
import { StoredRows } from './stored-rows.ts';

export interface RowTarget {
  /** Default: standard output. */
  readonly output?: string;
  readonly index?: string;
  readonly format: RowFormat;
  /** Row length (embedding dimension). */
  readonly width: number;
  /** Fingerprints of what computes rows of files and of texts (see `rowMakers`), part of the checksums in the index. */
  readonly makers?: { readonly file: string; readonly text: string };
  /** Reuse rows of earlier runs. Needs `output` and `index`, both regular files. */
  readonly resume: boolean;
}

/**
 * Every input has a place in the output order; a failed input leaves its place empty. New rows are appended to
 * OUTPUT.partial and INDEX.partial, which survive an interruption. If that order is not the final one (rows of earlier runs
 * are reused), the output is assembled by copying at the end.
 */
export class RowWriter {
  readonly #target: RowTarget;
  readonly #output: RowSink;
  readonly #index: RowSink | undefined;
  readonly #earlier: EarlierRows | undefined;
  /** With `resume`: the location of each place's row. */
  readonly #placed: (KeptRow | undefined)[] = [];
  #rows: { count: number };

  private constructor(
    target: RowTarget,
    output: RowSink,
    index: RowSink | undefined,
    earlier: EarlierRows | undefined,
    rows: { count: number },
  ) {
    this.#target = target;
    this.#output = output;
    this.#index = index;
    this.#earlier = earlier;
    this.#rows = rows;
  }

  /** @throws ClipError IO */
  static async open(target: RowTarget, progress: Progress): Promise<RowWriter> {
    const { output, index, format, width } = target;
    const earlier = target.resume ? new EarlierRows(output!, index!, format, width) : undefined;
    const rows = { count: earlier?.partialCount ?? 0 };
    const options: PartialFileOptions = { stopped: () => stopped(rows.count, target) };
    const lengths = earlier?.partialBytes();
    const file = (path: string, length = 0) =>
      rows.count > 0 ? PartialFile.continue(path, length, options) : PartialFile.create(path, options);
    const header = (count: number) => format.header(count, width);
    const to = async (): Promise<RowSink> => {
      if (output !== undefined && !isDirect(output)) return new FileSink(await file(output, lengths?.rows), header);
      const stream = output === undefined ? standardOutput() : await directOutput(output);
      return format.headerBytes > 0 ? SpoolSink.create(stream, header) : new StreamSink(stream, progress);
    };
    const indexTo = async (): Promise<RowSink | undefined> => {
      if (index === undefined) return undefined;
      return isDirect(index)
        ? new StreamSink(await directOutput(index), progress)
        : new FileSink(await file(index, lengths?.index));
    };
    return new RowWriter(target, await to(), await indexTo(), earlier, rows);
  }

  /** Looks for the row in earlier runs. Returns whether it can be reused. */
  keep(place: number, owner: Owner, stamp?: Stamp): boolean {
    const kept = this.#earlier?.find(owner, stamp, this.#maker(owner));
    if (kept) this.#placed[place] = kept;
    return kept !== undefined;
  }

  /** Why `keep` found no row at all. */
  whyNoneKept(): string {
    return this.#earlier?.whyNone() ?? '';
  }

  /** @throws ClipError IO */
  async add(place: number, owner: Owner, stamp: Stamp | undefined, embedding: Float32Array): Promise<void> {
    const bytes = this.#target.format.row(owner, embedding);
    await this.#output.add(bytes);
    if (this.#index) {
      const check = this.#target.makers && rowCheck(owner, stamp, this.#maker(owner), bytes);
      const line: IndexLine = { row: this.#rows.count, ...owner, ...stamp, ...(check !== undefined && { check }) };
      await this.#index.add(lineBytes(line)); // after the row: an index line implies that its row was written
      if (this.#earlier) this.#placed[place] = { from: 'partial', position: line.row, line };
    }
    this.#rows.count++;
  }

  /**
   * Completes output and index, then renames both to their final names.
   * @throws ClipError IO
   */
  async end(): Promise<void> {
    const placed = this.#placed.filter((row) => row !== undefined);
    const inOrder = placed.length === this.#rows.count && placed.every((row, i) => isAt(row, i));
    if (this.#earlier && !inOrder) return this.#assemble(placed);
    this.#earlier?.close();
    await this.#output.end(this.#rows.count);
    await this.#index?.end(this.#rows.count);
    await this.#output.commit();
    await this.#index?.commit();
  }

  /** After an error: closes all files. Returns a message if rows are kept for `--resume`. */
  async stop(): Promise<string | undefined> {
    this.#earlier?.close();
    const note = await this.#output.stop();
    return (await this.#index?.stop()) ?? note;
  }

  /** Copies reused and new rows to new files in output order. */
  async #assemble(placed: readonly KeptRow[]): Promise<void> {
    const { format, width } = this.#target;
    const partials = [this.#output, this.#index] as FileSink[];
    const [outputFile, indexFile] = partials.map((sink) => sink.file) as [PartialFile, PartialFile];
    const partial = StoredRows.open(outputFile.partialPath, format, width);
    const output = new FileSink(await PartialFile.create(outputFile.path, {}, '.partial.new'), (count) =>
      format.header(count, width),
    );
    const index = new FileSink(await PartialFile.create(indexFile.path, {}, '.partial.new'));
    for (const [row, { from, position, line }] of placed.entries()) {
      await output.add((from === 'partial' ? partial : this.#earlier!.output)!.read(position));
      await index.add(lineBytes({ ...line, row }));
    }
    await output.end(placed.length);
    await index.end(placed.length);
    partial?.close();
    this.#earlier!.close();
    await output.commit();
    await index.commit();
    for (const { file } of partials) await file.discard();
  }

  #maker(owner: Owner): string {
    const { makers } = this.#target;
    return ('file' in owner ? makers?.file : makers?.text) ?? '';
  }
}

const isAt = ({ from, position }: KeptRow, row: number): boolean => from === 'partial' && position === row;

/** One line of the index, with the row number first. */
function lineBytes({ row, ...line }: IndexLine): Uint8Array {
  return Buffer.from(`${JSON.stringify({ row, ...line })}\n`);
}

/** What happens to the rows of a run that ends early. */
function stopped(rows: number, { output, index }: RowTarget): { kept: boolean; note: string } {
  if (output === undefined || isDirect(output)) {
    return { kept: false, note: `stopped early: the index ${quote(index!)} was not written` };
  }
  const resumable = index !== undefined && !isDirect(index);
  if (!resumable || rows === 0) {
    const hint = resumable ? '' : '; with --index a stopped run can be resumed';
    return { kept: false, note: `stopped early: nothing was written${hint}` };
  }
  const words = rows === 1 ? '1 row is' : `${rows} rows are`;
  const note = `stopped early: ${words} kept in ${quote(`${output}.partial`)}; the same command with --resume continues`;
  return { kept: true, note };
}
