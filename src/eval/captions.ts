/**
 * Files of captions: which texts belong to which picture. JSON lines or a JSON list of `{ "file", "caption" }` or
 * `{ "file", "captions": [..] }`; COCO's annotations (`images`, `annotations`); or a table with a file and a caption in each line,
 * separated by tabs (.tsv) or commas (.csv, quoted as RFC 4180 says). Words at the head of such a table are skipped.
 */
import { grouped } from '../grouped.ts';
import { isObject, show } from '../json.ts';

/** A picture by its name in the captions file, with its captions in order. */
export interface Captions {
  readonly file: string;
  readonly captions: readonly string[];
}

/** @throws RangeError that says which line or entry cannot be used, counted from 1 */
export function parseCaptions(text: string, name: string): Captions[] {
  const plain = text.replace(/^\ufeff/, '');
  const pairs = /^\s*[[{]/.test(plain) ? fromJson(plain) : fromTable(plain, /\.csv$/i.test(name) ? ',' : '\t');
  const byFile = grouped(pairs, ({ file }) => file);
  if (byFile.size === 0) throw new RangeError('it has no captions');
  return [...byFile].map(([file, pairs]) => ({ file, captions: pairs.map(({ caption }) => caption) }));
}

interface Pair {
  readonly file: string;
  readonly caption: string;
}

function fromJson(text: string): Pair[] {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    return text.split('\n').flatMap((line, i) => {
      if (line.trim() === '') return [];
      try {
        return entry(JSON.parse(line), `line ${i + 1}`);
      } catch (error) {
        if (error instanceof RangeError) throw error;
        throw new RangeError(`line ${i + 1} is not JSON: ${(error as Error).message}`);
      }
    });
  }
  if (Array.isArray(whole)) return whole.flatMap((one, i) => entry(one, `entry ${i + 1}`));
  if (isObject(whole) && Array.isArray(whole.images) && Array.isArray(whole.annotations)) return fromCoco(whole);
  return entry(whole, 'line 1');
}

function entry(value: unknown, where: string): Pair[] {
  const { file, caption, captions } = isObject(value) ? value : {};
  const texts = captions ?? (caption === undefined ? undefined : [caption]);
  if (typeof file !== 'string' || !Array.isArray(texts) || !texts.every((text) => typeof text === 'string')) {
    throw new RangeError(`${where}: expected { "file", "caption" } or { "file", "captions" }, got ${show(value)}`);
  }
  return texts.map((caption: string) => ({ file, caption }));
}

function fromCoco({ images, annotations }: Record<string, unknown>): Pair[] {
  const names = new Map<unknown, string>();
  for (const image of images as unknown[]) {
    if (isObject(image) && typeof image.file_name === 'string') names.set(image.id, image.file_name);
  }
  return (annotations as unknown[]).map((one, i) => {
    const { image_id: id, caption } = isObject(one) ? one : {};
    const file = names.get(id);
    if (file !== undefined && typeof caption === 'string') return { file, caption };
    throw new RangeError(`annotations: entry ${i + 1} has no caption of a known image: ${show(one)}`);
  });
}

/** The words of a table's first line, where it is a head. */
const HEAD = /^(file|filename|file_name|image|image_name|filepath)$/i;

function fromTable(text: string, separator: string): Pair[] {
  return rows(text, separator).flatMap((fields, i) => {
    const [file, caption] = fields;
    if (i === 0 && HEAD.test(file!.trim())) return [];
    if (fields.length !== 2 || file!.trim() === '') {
      const kind = separator === ',' ? 'a comma (texts with commas in quotes)' : 'a tab';
      throw new RangeError(
        `line ${i + 1}: expected a file and a caption with ${kind} between, got ${show(fields.join(separator))}`,
      );
    }
    return [{ file: file!.trim(), caption: caption!.trim() }];
  });
}

/** The fields of each line. In tables with commas, a field in quotes may hold commas, doubled quotes and ends of lines. */
function rows(text: string, separator: string): string[][] {
  if (separator === '\t') {
    return text
      .split(/\r\n|\n|\r/)
      .filter((line) => line.trim() !== '')
      .map((line) => line.split('\t'));
  }
  const out: string[][] = [];
  let fields: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/g)) {
    fields.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    if (fields.length > 1 || fields[0]!.trim() !== '') out.push(fields);
    fields = [];
  }
  return out;
}
