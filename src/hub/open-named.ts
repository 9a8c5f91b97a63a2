/** A model by its name: on a hub, or one of OpenCLIP's, which are on a hub too. */
import { ClipError } from '../errors.ts';
import type { OpenOptions } from '../open-model.ts';
import type { ModelFiles } from '../weights/source.ts';
import type { HubOptions, LoadAccess } from './access.ts';
import { HubError } from './client.ts';
import { type HubName, hubName, isRevision } from './name.ts';
import { publishedModel } from './published.ts';

/** Opens a model on a hub in the way of this runtime. */
export type OpenHub = (name: HubName, options: HubOptions, load: LoadAccess) => Promise<ModelFiles>;

/** @throws ClipError IO, CONFIG; the signal's reason if aborted */
export async function openNamed(text: string, options: OpenOptions, open: OpenHub): Promise<ModelFiles> {
  const published = publishedModel(text);
  const name = published ? hubName(published.repository)! : hubName(text)!;
  const { revision, signal, onProgress, inParts } = options;
  try {
    const files = await open(revision === undefined ? name : revised(text, name, revision), options, {
      signal,
      onProgress,
      inParts,
    });
    return {
      ...methods(files),
      name: published ? text : files.name,
      openaiTokenizer: () => openaiTokenizer(options, open),
    };
  } catch (error) {
    if (!(error instanceof HubError) || name.certain || published || ![401, 404].includes(error.status)) throw error;
    throw new ClipError('IO', `there is no folder ${JSON.stringify(text)}, and ${error.message}`, { cause: error });
  }
}

/** OpenAI's own vocabulary, which its files of weights do not have, from where it is published with a model. */
const OPENAI = 'openai/clip-vit-base-patch32';

export async function openaiTokenizer(options: OpenOptions, open: OpenHub): Promise<string | undefined> {
  const { signal, onProgress } = options;
  // Once: a model that was asked for is here, and pictures need no tokenizer.
  const files = await open(hubName(OPENAI)!, options, { signal, onProgress, attempts: 1 });
  return files.text('tokenizer.json');
}

function revised(text: string, name: HubName, revision: string): HubName {
  if (!isRevision(revision)) {
    throw new RangeError(`revision must be a branch, tag or commit, got ${JSON.stringify(revision)}`);
  }
  if (/@/.test(text) && name.revision !== revision) {
    throw new TypeError(`loadClip: the revision came twice: ${JSON.stringify(text)} and ${JSON.stringify(revision)}`);
  }
  return { ...name, revision };
}

function methods(files: ModelFiles): Omit<ModelFiles, 'name'> {
  const { note } = files;
  return {
    ...(note !== undefined && { note }),
    text: (name) => files.text(name),
    source: (name) => files.source(name),
  };
}
