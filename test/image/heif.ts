/** AVIFs and HEICs of test/oracle/heif.py. */
import { readFileSync } from 'node:fs';

export interface HeifCase {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  readonly size: readonly [width: number, height: number];
  readonly pixels: string;
  readonly upright: readonly [width: number, height: number, pixels: string];
  readonly tolerance?: number;
}

const golden = new URL('../golden/heif/', import.meta.url);
const files = new Uint8Array(readFileSync(new URL('files.bin', golden)));

export const heifCases: readonly HeifCase[] = JSON.parse(readFileSync(new URL('cases.json', golden), 'utf8')).cases;
/** The pixels of those with a tolerance, RGB, one after the other. */
export const nearPixels = new Uint8Array(readFileSync(new URL('pixels.bin', golden)));
export const bytesOf = ({ offset, length }: HeifCase): Uint8Array<ArrayBuffer> => files.slice(offset, offset + length);
/** A file by its case's name. */
export const heif = (name: string): Uint8Array<ArrayBuffer> => bytesOf(heifCases.find((one) => one.name === name)!);
