/** A model by its name: on a hub, or one of OpenCLIP's, which are on a hub too, or one of OpenAI's own files. */
import { ClipError } from '../errors.ts';
import type { ModelFiles } from '../weights/source.ts';
import type { HubOptions, LoadAccess, OpenOptions } from './access.ts';
import { HubError } from './client.ts';
import { type HubName, hubName, isOpenaiName, isRevision } from './name.ts';
import { openaiFile, type PublishedFile, publishedFile, publishedModel, refuseUnsupported } from './published.ts';

/** How this runtime opens what it has to fetch. */
export interface Opener {
  hub(name: HubName, options: HubOptions, load: LoadAccess): Promise<ModelFiles>;
  file(file: PublishedFile, options: HubOptions, load: LoadAccess): Promise<ModelFiles>;
}

/** @throws ClipError IO, CONFIG; TypeError, RangeError for the revision; the signal's reason if aborted */
export async function openNamed(text: string, options: OpenOptions, opener: Opener): Promise<ModelFiles> {
  const { revision, signal, onProgress, inParts, tower } = options;
  const load = { signal, onProgress, inParts, tower };
  const named = (files: ModelFiles, name: string): ModelFiles => ({
    ...methods(files),
    name,
    openaiTokenizer: () => openaiTokenizer(options, opener),
  });
  if (isOpenaiName(text)) {
    if (revision !== undefined) throw new TypeError(`loadClip: ${JSON.stringify(text)} has no revisions, got ${JSON.stringify(revision)}`); // biome-ignore format: one line
    return named(await opener.file(openaiFile(text), options, load), text);
  }
  const published = publishedModel(text);
  const name = published ? hubName(published.repository)! : hubName(text)!;
  refuseUnsupported(text, name.id);
  try {
    const files = await opener.hub(revision === undefined ? name : revised(text, name, revision), options, load);
    return named(files, published ? text : files.name);
  } catch (error) {
    const file = published && revision === undefined ? publishedFile(text, published) : undefined;
    if (file && error instanceof ClipError && error.code === 'IO') {
      return named(await instead(opener.file(file, options, load), error, file, signal), text);
    }
    if (!(error instanceof HubError) || name.certain || published || ![401, 404].includes(error.status)) throw error;
    throw new ClipError('IO', `there is no folder ${JSON.stringify(text)}, and ${error.message}`, { cause: error });
  }
}

/** What OpenAI's server has, if the hub does not have it or does not answer; if neither does, the error says both. */
async function instead(
  opened: Promise<ModelFiles>,
  first: ClipError,
  { server }: PublishedFile,
  signal: AbortSignal | undefined,
): Promise<ModelFiles> {
  try {
    return await opened;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof ClipError)) throw error;
    throw new ClipError('IO', `${first.message}. OpenAI's own file at ${server} does not serve either: ${error.message}`, { cause: error }); // biome-ignore format: one line
  }
}

/** OpenAI's own vocabulary, which its files of weights do not have, from where it is published with a model. */
const OPENAI = 'openai/clip-vit-base-patch32';

export async function openaiTokenizer(options: OpenOptions, opener: Opener): Promise<string | undefined> {
  const { signal, onProgress } = options;
  // Once: a model that was asked for is here, and pictures need no tokenizer.
  const files = await opener.hub(hubName(OPENAI)!, options, { signal, onProgress, attempts: 1 });
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
  const { note, weights } = files;
  return {
    ...(note !== undefined && { note }),
    ...(weights !== undefined && { weights }),
    text: (name) => files.text(name),
    source: (name) => files.source(name),
  };
}
