/** The words that pictures are tagged with: a file of words, or of words with prompts. */
import { createHash } from 'node:crypto';
import type { Classifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { type ClassEntry, parseClassesJson, parseLabelsFile } from '../text/prompts.ts';
import { UsageError } from './failure.ts';
import { readTemplates } from './labels.ts';
import { checkTokenizer } from './model.ts';
import type { Progress } from './progress.ts';
import { title } from './standard-input.ts';
import { readOptionText } from './text-file.ts';

export interface Vocabulary {
  readonly words: readonly string[];
  /** A hash of words, prompts and templates. */
  readonly hash: string;
  readonly templates: number | undefined;
  classifier(clip: Clip, progress: Progress): Promise<Classifier>;
}

export const VOCABULARY_HELP =
  'words, one per line; or, in a file that ends in .json, words with prompts as in the --classes of classify';

/**
 * Reads `--vocabulary` and `--templates`. A word that comes twice counts once.
 * @throws UsageError if the file cannot be read or has no words
 */
export async function readVocabulary(
  path: string,
  templateOptions: readonly string[] | undefined,
): Promise<Vocabulary> {
  const entries = await readWords(path);
  const templates = await readTemplates(templateOptions);
  return {
    words: entries.map(({ label }) => label),
    hash: createHash('sha256')
      .update(JSON.stringify([entries, templates ?? null]))
      .digest('hex')
      .slice(0, 16),
    templates: templates?.length,
    async classifier(clip, progress) {
      checkTokenizer(clip);
      const classifier = await clip.classifier(entries, {
        ...(templates && { templates }),
        onProgress: ({ done, total }) => progress.show('prompts', done, total),
      });
      progress.clear();
      return classifier;
    },
  };
}

async function readWords(path: string): Promise<readonly ClassEntry[]> {
  const text = await readOptionText('--vocabulary', path);
  if (path.endsWith('.json')) {
    try {
      return parseClassesJson(text, 1);
    } catch (error) {
      throw new UsageError(`--vocabulary ${title(path)}: ${(error as Error).message}`, { cause: error });
    }
  }
  const words = [...new Set(parseLabelsFile(text).map((line) => line.trim()))];
  if (words.length === 0) throw new UsageError(`--vocabulary ${title(path)} has no words`);
  return words.map((label) => ({ label }));
}
