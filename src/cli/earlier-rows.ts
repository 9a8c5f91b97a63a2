/**
 * Rows of earlier runs, for `--resume`: from the finished output and its index, and from `OUTPUT.partial` and
 * `INDEX.partial` of an interrupted run.
 */
import { existsSync } from 'node:fs';
import { toPath } from '../file-name.ts';
import { quote } from './failure.ts';
import { partialPath } from './partial-file.ts';
import { type IndexLine, type Owner, type RowFormat, rowCheck, type Stamp } from './rows.ts';
import { StoredRows } from './stored-rows.ts';

/** The location of a reusable row, and its index line. */
export interface KeptRow {
  readonly from: 'partial' | 'output';
  readonly position: number;
  readonly line: IndexLine;
}

interface Candidate {
  readonly line: IndexLine;
  readonly sources: readonly KeptRow['from'][];
}

/** Why a row is not reused. */
const WHY = {
  different:
    'another model, --precision, --no-normalize, --orient, --scaled or version of edgeclip computed them, or they are damaged',
  changed: 'the files have changed',
  unknown: 'the index has none of these inputs',
  unstamped: 'rows of pipes and of missing files are always computed again',
};
type Miss = keyof typeof WHY;

export class EarlierRows {
  /** Rows of the interrupted run, and how many of them are complete and indexed. */
  readonly partial: StoredRows | undefined;
  readonly partialCount: number;
  /** Rows of the finished output. */
  readonly output: StoredRows | undefined;
  readonly #partialIndex: StoredRows | undefined;
  readonly #candidates = new Map<string, Candidate[]>();
  readonly #paths: { readonly output: string; readonly index: string };
  /** Whether there is an index, of a finished or an interrupted run. */
  readonly #indexed: boolean;
  /** How many rows were not found, by reason. */
  readonly #misses: Record<Miss, number> = { different: 0, changed: 0, unknown: 0, unstamped: 0 };

  constructor(outputPath: string, indexPath: string, format: RowFormat, width: number) {
    this.#paths = { output: outputPath, index: indexPath };
    this.partial = StoredRows.open(partialPath(outputPath), format, width);
    this.output = StoredRows.open(outputPath, format, width);
    this.#partialIndex = StoredRows.openLines(partialPath(indexPath));
    const lines = this.#partialIndex ? this.#addIndex(this.#partialIndex, ['partial', 'output']) : 0;
    this.partialCount = Math.min(lines, this.partial?.count ?? 0);
    const index = StoredRows.openLines(indexPath);
    // Look in the partial rows as well: a run killed between the two renames leaves files of different runs.
    if (index) this.#addIndex(index, ['output', 'partial']);
    this.#indexed = index !== undefined || this.#partialIndex !== undefined;
    index?.close();
  }

  /** Lengths in bytes of the partial files up to the last row that both contain. */
  partialBytes(): { rows: number; index: number } {
    const { partial, partialCount } = this;
    return { rows: partial?.bytes(partialCount) ?? 0, index: this.#partialIndex?.bytes(partialCount) ?? 0 };
  }

  /** The row of this owner, if its file is unchanged and the same `maker` computed it. */
  find(owner: Owner, stamp: Stamp | undefined, maker: string): KeptRow | undefined {
    if ('file' in owner && stamp === undefined) return this.#miss('unstamped'); // a pipe may deliver anything
    const candidates = this.#candidates.get(key(owner)) ?? [];
    for (const { line, sources } of candidates) {
      for (const from of sources) {
        const rows = this[from];
        if (!rows || line.row >= rows.count) continue;
        if (rowCheck(owner, stamp, maker, rows.read(line.row)) === line.check)
          return { from, position: line.row, line };
      }
    }
    const unchanged = candidates.some(({ line }) => line.size === stamp?.size && line.mtime === stamp?.mtime);
    return this.#miss(candidates.length === 0 ? 'unknown' : unchanged ? 'different' : 'changed');
  }

  #miss(reason: Miss): undefined {
    this.#misses[reason]++;
  }

  /** Why `find` found no row, for most of the rows. */
  whyNone(): string {
    const { output, index } = this.#paths;
    if (!this.#indexed) return `there is no index ${quote(index)} yet`;
    if (this.#candidates.size === 0) return `${quote(index)} is not an index of edgeclip, or is damaged`;
    if (!this.output && !this.partial) {
      return existsSync(toPath(output))
        ? `${quote(output)} has rows of another model, or is damaged`
        : `there is no ${quote(output)}`;
    }
    const most = Object.entries(this.#misses).reduce((a, b) => (b[1] > a[1] ? b : a))[0];
    return WHY[most as Miss];
  }

  close(): void {
    this.partial?.close();
    this.output?.close();
    this.#partialIndex?.close();
  }

  /** Returns the number of valid lines before the first invalid one. */
  #addIndex(index: StoredRows, sources: Candidate['sources']): number {
    for (let row = 0; row < index.count; row++) {
      const line = parseLine(index.read(row));
      if (line?.row !== row) return row;
      const name = key(line);
      const others = this.#candidates.get(name);
      if (others) others.push({ line, sources });
      else this.#candidates.set(name, [{ line, sources }]);
    }
    return index.count;
  }
}

const key = (owner: Owner): string => ('file' in owner ? `file ${owner.file}` : `text ${owner.text}`);

function parseLine(bytes: Uint8Array): IndexLine | undefined {
  try {
    const line = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof line?.row === 'number' && (typeof line.file === 'string' || typeof line.text === 'string')
      ? line
      : undefined;
  } catch {
    return undefined;
  }
}
