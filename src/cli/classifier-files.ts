/** Classifier files of the command line: labels that were embedded once, for pictures later or elsewhere. */
import { Classifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { ClipError } from '../errors.ts';
import { directOutput, isDirect } from './output.ts';
import { PartialFile } from './partial-file.ts';
import { titled } from './standard-input.ts';
import { readOptionFile } from './text-file.ts';

/**
 * The classifier of `--classifier`, checked before a model is loaded.
 * @returns makes it a classifier of this model's pictures; throws ClipError CLASSIFIER_FORMAT if another model made it
 * @throws UsageError if the file cannot be read; ClipError CLASSIFIER_FORMAT if it is not a classifier's or damaged
 */
export async function readClassifierFile(path: string): Promise<(clip: Clip) => Classifier> {
  const bytes = await readOptionFile('--classifier', path);
  const read = (clip?: Clip) => {
    try {
      return Classifier.fromBytes(bytes, clip);
    } catch (error) {
      throw error instanceof ClipError && error.code === 'CLASSIFIER_FORMAT' ? titled(path, error) : error;
    }
  };
  read();
  return read;
}

/** Writes the file of `--save-classifier`: all of it or nothing. @throws ClipError IO */
export async function saveClassifier(path: string, classifier: Classifier): Promise<void> {
  const bytes = classifier.toBytes();
  if (isDirect(path)) {
    const output = await directOutput(path);
    await output.write(bytes);
    return output.close();
  }
  const file = await PartialFile.create(path);
  try {
    await file.append(bytes);
    await file.commit();
  } catch (error) {
    await file.stop();
    throw error;
  }
}
