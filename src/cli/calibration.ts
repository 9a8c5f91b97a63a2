/** The threshold of `tag`: given, measured by `eval`, or the embedded model's. */
import { isObject } from '../json.ts';
import { DEFAULT_MODEL } from '../platform/default-model.ts';
import { quote, UsageError } from './failure.ts';
import { title } from './standard-input.ts';
import { readOptionText } from './text-file.ts';

/** The embedded model's cosine for a vocabulary of some dozens of words (docs/search.md says how it was measured). */
export const DEFAULT_THRESHOLD = 0.2;

export interface ThresholdOptions {
  readonly threshold?: number;
  readonly calibration?: string;
}

/** What is tagged: the model's name and the fingerprint of its image tower, and the words. */
export interface Tagger {
  readonly model: string;
  readonly fingerprint: string | undefined;
  readonly vocabulary: string;
}

export interface Threshold {
  readonly value: number;
  /** For standard error. */
  readonly notes: readonly string[];
}

/** Reads what there is to read, before a model is loaded. @throws UsageError */
export async function readThreshold({
  threshold,
  calibration,
}: ThresholdOptions): Promise<(tagger: Tagger) => Threshold> {
  if (threshold !== undefined) return () => ({ value: threshold, notes: [] });
  if (calibration !== undefined) return readCalibration(calibration);
  return ({ model }) => {
    if (model === DEFAULT_MODEL) return { value: DEFAULT_THRESHOLD, notes: [] };
    const note = `no threshold is known for ${quote(model)}: the first words are written, right or not; edgeclip eval --vocabulary measures one`;
    return { value: Number.NEGATIVE_INFINITY, notes: [note] };
  };
}

/** The JSON of `edgeclip eval --vocabulary --json`. */
async function readCalibration(path: string): Promise<(tagger: Tagger) => Threshold> {
  const what = `--calibration ${title(path)}`;
  const text = await readOptionText('--calibration', path);
  let report: unknown;
  try {
    report = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${what} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const tagging = isObject(report) ? report.tagging : undefined;
  if (!isObject(tagging))
    throw new UsageError(`${what} is not what edgeclip eval FOLDER --vocabulary FILE --json prints`);
  const { all, target, model, vocabulary } = tagging;
  const value = isObject(all) ? all.threshold : undefined;
  if (typeof value !== 'number') throw new UsageError(`${what}: no threshold reaches a precision of ${String(target)}`);
  return (tagger) => {
    if (typeof model === 'string' && tagger.fingerprint !== undefined && model !== tagger.fingerprint) {
      throw new UsageError(`${what} is of another model: ${model}, not ${tagger.fingerprint}`);
    }
    const same = vocabulary === tagger.vocabulary;
    return { value, notes: same ? [] : [`${title(path)} was measured with other words or templates`] };
  };
}
