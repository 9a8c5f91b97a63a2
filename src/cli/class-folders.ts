/** A folder of class folders: which pictures are of which class. */
import { join } from 'node:path';
import { ClipError } from '../errors.ts';
import { ioReason } from '../platform/io-reason.ts';
import { quote, visible } from './failure.ts';
import { fileInput, type PictureInput } from './inputs.ts';
import type { Progress } from './progress.ts';
import { PICTURE_KINDS, skippedInWords, walk } from './walk.ts';

/** A picture, and the place of its folder in `folders`. */
export interface ClassPicture extends PictureInput {
  readonly folder: number;
}

export interface ClassFolders {
  /** Names of the folders that hold pictures, sorted by code units: commas, spaces and slashes of other systems are theirs. */
  readonly folders: readonly string[];
  readonly pictures: readonly ClassPicture[];
}

/**
 * Lists the class folders of a folder; pictures may lie in subfolders of theirs.
 * @throws ClipError IO if the folder cannot be listed, or no subfolder holds a picture
 */
export function classFolders(root: string, progress: Progress): ClassFolders {
  const onPassedOver = (path: string, what: string) => progress.line(`skipped ${visible(path)}: ${what}`);
  const say = (line: string) => progress.line(line);
  const folders: string[] = [];
  const pictures: ClassPicture[] = [];
  const empty: string[] = [];
  const skipped = new Map<string, number>();
  const top = list(root, false);
  for (const name of top.folders) {
    const { pictures: paths, failed, skipped: others } = list(join(root, name), true);
    for (const [kind, n] of others) skipped.set(kind, (skipped.get(kind) ?? 0) + n);
    for (const { path, error } of failed) progress.line(`error: ${visible(path)}: ${ioReason(error)}`);
    if (paths.length === 0) {
      empty.push(name);
      continue;
    }
    const folder = folders.push(name) - 1;
    for (const path of paths) pictures.push({ ...fileInput(path, say), folder });
  }
  if (skipped.size > 0) progress.line(`skipped ${skippedInWords(skipped)}`);
  if (top.pictures.length > 0 && folders.length > 0) {
    progress.line(`note: pictures beside the class folders are not counted: ${top.pictures.length} in ${quote(root)}`);
  }
  if (empty.length > 0 && folders.length > 0) {
    progress.line(`note: folders without pictures are not classes: ${empty.map(quote).join(', ')}`);
  }
  return { folders, pictures };

  function list(path: string, recursive: boolean) {
    try {
      return walk(path, { recursive, onPassedOver });
    } catch (error) {
      throw new ClipError('IO', `cannot list ${quote(path)}: ${ioReason(error)}`, { cause: error });
    }
  }
}

/** The pictures of a folder and its subfolders, whatever their folders are called. */
export function plainPictures(root: string, progress: Progress): PictureInput[] {
  try {
    const onPassedOver = (path: string, what: string) => progress.line(`skipped ${visible(path)}: ${what}`);
    const { pictures } = walk(root, { recursive: true, onPassedOver });
    if (pictures.length > 0) return pictures.map((path) => fileInput(path, (line) => progress.line(line)));
  } catch (error) {
    throw new ClipError('IO', `cannot list ${quote(root)}: ${ioReason(error)}`, { cause: error });
  }
  throw new ClipError('IO', `${quote(root)} and its subfolders have no ${PICTURE_KINDS} file`);
}
