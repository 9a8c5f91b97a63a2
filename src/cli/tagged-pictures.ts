/** Pictures whose right words are known, for measuring a threshold. */
import { isAbsolute, join, resolve, sep } from 'node:path';
import { isObject } from '../json.ts';
import { classFolders } from './class-folders.ts';
import { quote, UsageError } from './failure.ts';
import { fileInput, type PictureInput } from './inputs.ts';
import type { Progress } from './progress.ts';
import { title } from './standard-input.ts';
import { readOptionText } from './text-file.ts';

export interface TaggedPictures {
  readonly pictures: readonly PictureInput[];
  /** Of each picture: the places of its right words, and its group. */
  readonly right: readonly { readonly right: ReadonlySet<number>; readonly group: number }[];
}

/**
 * @param tags a file of JSON lines with the right words; without it, a picture's word is the name of its class folder
 * @throws UsageError for a word that is not in the vocabulary, or a file that is not right; ClipError IO
 */
export async function taggedPictures(
  folder: string,
  words: readonly string[],
  tags: string | undefined,
  progress: Progress,
): Promise<TaggedPictures> {
  const places = new Map(words.map((word, i) => [word, i]));
  if (tags !== undefined) return picturesOfFile(folder, places, tags, progress);
  const { folders, pictures } = classFolders(folder, progress);
  if (folders.length === 0) throw new UsageError(`${quote(folder)} has no class folders with pictures; or give --tags`);
  const own = folders.map((name) => {
    const place = places.get(name) ?? places.get(name.replaceAll('_', ' '));
    if (place === undefined) throw new UsageError(`the folder ${quote(name)} is not a word of the vocabulary`);
    return place;
  });
  return { pictures, right: pictures.map(({ folder }) => ({ right: new Set([own[folder]!]), group: folder })) };
}

async function picturesOfFile(
  folder: string,
  places: ReadonlyMap<string, number>,
  path: string,
  progress: Progress,
): Promise<TaggedPictures> {
  const text = await readOptionText('--tags', path);
  const pictures: PictureInput[] = [];
  const right: TaggedPictures['right'][number][] = [];
  const root = resolve(folder);
  const inside = root.endsWith(sep) ? root : root + sep;
  for (const [i, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === '') continue;
    const { file, tags } = parseLine(line, `--tags ${title(path)}, line ${i + 1}`, places);
    // Files are as edgeclip tag FOLDER or tag --in prints them, or relative to the folder.
    const asPrinted = isAbsolute(file) || resolve(file).startsWith(inside);
    pictures.push(fileInput(asPrinted ? file : join(folder, file), (line) => progress.line(line)));
    right.push({ right: tags, group: 0 });
  }
  if (pictures.length === 0) throw new UsageError(`--tags ${title(path)} has no pictures`);
  return { pictures, right };
}

function parseLine(line: string, where: string, places: ReadonlyMap<string, number>) {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (cause) {
    throw new UsageError(`${where} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const { file, tags } = isObject(row) ? row : {};
  const names = Array.isArray(tags) ? tags.map((one) => (isObject(one) ? one.tag : one)) : [undefined];
  if (typeof file !== 'string' || !names.every((name) => typeof name === 'string')) {
    throw new UsageError(`${where}: expected {"file": "photo.jpg", "tags": ["cat", "sofa"]}`);
  }
  const own = names.map((name) => {
    const place = places.get(name);
    if (place === undefined) throw new UsageError(`${where}: ${quote(name)} is not a word of the vocabulary`);
    return place;
  });
  return { file, tags: new Set(own) };
}
