/** Refuses outputs that would overwrite an input, before any file is opened. */
import { fstatSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { destination, fileIdentity } from '../file-identity.ts';
import { quote, UsageError } from './failure.ts';
import { isDirect } from './output.ts';
import { partialPath } from './partial-file.ts';
import { STANDARD_INPUT, title } from './standard-input.ts';
import { fileKind } from './walk.ts';

export interface Outputs {
  readonly output?: string;
  readonly index?: string;
  readonly saveClassifier?: string;
  readonly html?: string;
  readonly to?: string;
}

/** The outputs that are given, by option. */
const byOption = ({ output, index, saveClassifier, html, to }: Outputs) =>
  Object.entries({
    '--output': output,
    '--index': index,
    '--save-classifier': saveClassifier,
    '--html': html,
    '--to': to,
  }).filter((entry): entry is [string, string] => entry[1] !== undefined);

export interface Inputs {
  readonly pictures: Iterable<{ readonly name: string; readonly isFile: boolean }>;
  /** Text files; `-` is standard input. */
  readonly texts: readonly (string | undefined)[];
  /** The model's folder or file. Default: the embedded model's. */
  readonly model?: string | undefined;
}

/** The files of a model: configurations, tokenizers, weights. */
const MODEL_FILE =
  /config\.json$|\.index\.json$|^(tokenizer|vocab|added_tokens|special_tokens_map)\.json$|^merges\.txt$|\.(safetensors|bin|pth?|ckpt|scb)$/i;

/**
 * Refuses an output that is an input, another output, or one of the model's files, under whatever name.
 * @throws UsageError
 */
export function checkOverwrites(outputs: Outputs, inputs: Inputs): void {
  const paths = byOption(outputs);
  const written = new Map<string, string>(); // option by file identity
  const add = (what: string, path: string, shown: string) => {
    const identity = fileIdentity(path);
    if (identity === undefined) return;
    const other = written.get(identity);
    if (other !== undefined) throw new UsageError(`${other} and ${what} are the same file, ${quote(shown)}`);
    written.set(identity, what);
  };
  for (const [option, path] of paths) {
    add(option, path, outputs.output ?? path);
    if (isDirect(path)) continue;
    const partial = partialPath(path);
    for (const beside of [partial, `${partial}.new`]) add(`${option}'s ${basename(beside)}`, beside, beside);
  }
  if (outputs.output === undefined) addStandardOutput(written);
  if (written.size === 0) return;

  const check = (what: string, identity: string | undefined) => {
    const option = identity === undefined ? undefined : written.get(identity);
    if (option === undefined) return;
    const path = paths.find(([name]) => name === option)?.[1];
    throw new UsageError(
      `${option}${path === undefined ? '' : ` ${quote(path)}`} is the same file as ${what}, which is an input`,
    );
  };
  for (const { name, isFile } of inputs.pictures) {
    if (isFile) check(`the image ${quote(name)}`, fileIdentity(name));
    else if (name === STANDARD_INPUT) check('standard input', descriptorIdentity(0));
  }
  for (const name of inputs.texts) {
    if (name === STANDARD_INPUT) check('standard input', descriptorIdentity(0));
    else if (name !== undefined) check(title(name), fileIdentity(name));
  }
  const given = inputs.model ?? fileURLToPath(new URL('../../weights/default/open_clip_config.json', import.meta.url));
  // A file of weights has its configuration beside it.
  const isFile = fileKind(given) === 'file';
  const model = isFile ? dirname(given) : given;
  if (isFile) check(`the model's ${quote(basename(given))}`, fileIdentity(given));
  for (const name of modelFiles(model)) check(`the model's ${quote(name)}`, fileIdentity(join(model, name)));
  for (const [option, path] of paths) {
    if (isDirect(path)) continue;
    const to = destination(path);
    // Even a new file with such a name would become part of the model.
    if (MODEL_FILE.test(basename(to)) && dirname(to) === destination(model)) {
      throw new UsageError(`${option} ${quote(path)} would be a file of the model ${quote(model)}`);
    }
  }
}

function modelFiles(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => MODEL_FILE.test(name));
  } catch {
    return [];
  }
}

/** Standard output, if the shell redirected it to a regular file. */
function addStandardOutput(written: Map<string, string>): void {
  const identity = descriptorIdentity(1);
  if (identity === undefined) return;
  const other = written.get(identity);
  if (other !== undefined) throw new UsageError(`${other} is the file that standard output goes to`);
  written.set(identity, 'standard output');
}

function descriptorIdentity(descriptor: number): string | undefined {
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    return stat.isFile() && stat.ino !== 0n ? `${stat.dev}:${stat.ino}` : undefined;
  } catch {
    return undefined;
  }
}
