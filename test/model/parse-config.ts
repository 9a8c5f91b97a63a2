/** Configurations in either form. */
import { ClipError } from '../../src/errors.ts';
import type { ClipConfig } from '../../src/model/config.ts';
import { parseHuggingFace } from '../../src/model/config-huggingface.ts';
import { parseTowers as parse } from '../../src/model/parse-config.ts';

const ignore = () => {};

/** As `parseTowers` of the package, with Hugging Face's form at hand. */
export const parseTowers = (json: unknown, warn: (warning: string) => void = ignore): ClipConfig =>
  parse(json, warn, parseHuggingFace);

/** A configuration whose towers must all be built. @throws ClipError `CONFIG`, also where one of two towers cannot be built */
export function parseConfig(json: unknown, warn: (warning: string) => void = ignore): ClipConfig {
  const config = parseTowers(json, warn);
  const reason = config.refused?.image ?? config.refused?.text;
  if (reason !== undefined) throw new ClipError('CONFIG', reason);
  return config;
}
