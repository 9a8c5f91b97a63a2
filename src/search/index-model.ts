/** The model that made an index's vectors. Vectors of two models mean nothing to each other, so they never mix. */
import type { Clip } from '../clip.ts';
import type { Precision } from '../engine/arithmetic.ts';
import { ClipError } from '../errors.ts';
import { isObject, show } from '../json.ts';

/** What identifies a model in an index. */
export interface IndexModel {
  /** As `clip.info().model`. */
  readonly name: string;
  /** Branch, tag or commit of a model from a hub, where one was asked for. */
  readonly revision?: string | undefined;
  readonly precision: Precision;
  /** `clip.info().image.fingerprint`; unknown if the image tower was not loaded. */
  readonly fingerprint?: string | undefined;
}

/** What an index takes as its model: a loaded one, or what identifies it. */
export type IndexModelInput = IndexModel | Pick<Clip, 'info'>;

/** @throws TypeError for what is neither */
export function indexModel(input: IndexModelInput): IndexModel {
  if (typeof (input as Partial<Clip> | null)?.info === 'function') {
    const { model, precision, image } = (input as Clip).info();
    const at = /^[^@]+@([^@]+)$/.exec(model);
    return {
      name: at ? model.slice(0, model.indexOf('@')) : model,
      ...(at && { revision: at[1]! }),
      precision,
      ...(image?.fingerprint !== undefined && { fingerprint: image.fingerprint }),
    };
  }
  const { name, revision, precision, fingerprint } = (isObject(input) ? input : {}) as Partial<IndexModel>;
  const isText = (value: unknown) => value === undefined || typeof value === 'string';
  if (typeof name !== 'string' || !isText(revision) || !isText(fingerprint)) {
    throw new TypeError(`model must be a Clip, or { name, precision } and more, got ${show(input)}`);
  }
  if (precision !== 'int8' && precision !== 'f32') {
    throw new TypeError(`model.precision must be int8 or f32, got ${show(precision)}`);
  }
  return {
    name,
    ...(revision !== undefined && { revision }),
    precision,
    ...(fingerprint !== undefined && { fingerprint }),
  };
}

/**
 * Checks that both are one model in one precision. Fingerprints decide where both are known: a copy in another folder is the
 * same model. Otherwise name and revision do.
 * @param index what messages call the index
 * @throws ClipError INDEX_MODEL, naming both
 */
export function checkIndexModel(index: string, made: IndexModel, model: IndexModel): void {
  if (made.precision === model.precision && sameTowers(made, model)) return;
  throw new ClipError(
    'INDEX_MODEL',
    `${index} holds vectors of ${modelInWords(made)}; those of ${modelInWords(model)} cannot be mixed with them`,
  );
}

function sameTowers(a: IndexModel, b: IndexModel): boolean {
  if (a.fingerprint !== undefined && b.fingerprint !== undefined) return a.fingerprint === b.fingerprint;
  return a.name === b.name && a.revision === b.revision;
}

function modelInWords({ name, revision, precision, fingerprint }: IndexModel): string {
  const at = revision === undefined ? '' : `@${revision}`;
  return `"${name}${at}" in ${precision}${fingerprint === undefined ? '' : ` (${fingerprint})`}`;
}
