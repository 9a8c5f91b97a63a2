/** What was measured: printed as tables as it comes in, and kept for `--json`. */
import { writeFileSync } from 'node:fs';
import { machine } from './machine.js';

export interface Row {
  readonly section: string;
  readonly name: string;
  /** Milliseconds where a name ends in Ms, bytes in Bytes, GMAC/s in gmacs; shares are of 1. */
  readonly values: Readonly<Record<string, number | string>>;
}

/** A section as it was printed: what results.js makes RESULTS.md of. */
interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: (readonly string[])[];
}

const FIRST = 46;
const OTHER = 13;

export class Report {
  readonly rows: Row[] = [];
  readonly tables: Table[] = [];

  section(title: string, head: readonly string[]): void {
    this.tables.push({ title, head, rows: [] });
    console.log(`\n${title}\n${line(head)}`);
  }

  /** @param cells what is printed; the first one is the name unless another is given */
  row(name: string, values: Row['values'], cells: readonly string[]): void {
    const { title, rows } = this.tables.at(-1)!;
    this.rows.push({ section: title, name, values });
    rows.push(cells);
    console.log(line(cells));
  }

  write(file: string): void {
    const { rows: results, tables } = this;
    writeFileSync(file, `${JSON.stringify({ ...machine(), tables, results }, null, 2)}\n`);
  }
}

const line = ([first, ...others]: readonly string[]) =>
  `${first!.padEnd(FIRST)}${others.map((cell) => cell.padStart(OTHER)).join('')}`;

export const ms = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(1));
export const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
/** A share in the best and in the median round. */
export const percents = ({ best, middle }: { best: number; middle: number }) =>
  `${(100 * best).toFixed(0)} / ${percent(middle)}`;
