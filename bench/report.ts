/** What was measured: printed as tables while it comes in, kept for `--json`. */
import { writeFileSync } from 'node:fs';
import os from 'node:os';

export interface Row {
  readonly section: string;
  readonly name: string;
  /** Milliseconds where a name ends in Ms, bytes in Bytes, GMAC/s in gmacs; shares are of 1. */
  readonly values: Readonly<Record<string, number | string>>;
}

const FIRST = 46;
const OTHER = 13;

export class Report {
  readonly rows: Row[] = [];
  #section = '';

  section(title: string, [first, ...others]: readonly string[]): void {
    this.#section = title;
    console.log(`\n${title}\n${first!.padEnd(FIRST)}${others.map((head) => head.padStart(OTHER)).join('')}`);
  }

  /** @param cells what is printed; the first column is the name unless another is given */
  row(name: string, values: Row['values'], [first, ...others]: readonly string[]): void {
    this.rows.push({ section: this.#section, name, values });
    console.log(`${first!.padEnd(FIRST)}${others.map((cell) => cell.padStart(OTHER)).join('')}`);
  }

  note(text: string): void {
    console.log(`  ${text}`);
  }

  write(file: string): void {
    writeFileSync(file, `${JSON.stringify({ ...machine(), results: this.rows }, null, 2)}\n`);
  }
}

export function machine() {
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model.trim(),
    processors: os.availableParallelism(),
    platform: `${os.platform()} ${os.arch()}`,
    node: process.version,
    v8: process.versions.v8,
  };
}

export const ms = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(1));
export const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
/** A share in the best and in the middle case. */
export const percents = ({ best, middle }: { best: number; middle: number }) =>
  `${(100 * best).toFixed(0)} / ${percent(middle)}`;
