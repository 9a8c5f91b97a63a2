/** Models of Node, Deno and Bun: paths, addresses and names told apart. */
import { ClipError } from '../errors.ts';
import type { OpenOptions } from '../hub/access.ts';
import { hubName, isOpenaiName, refuseNoRevision } from '../hub/name.ts';
import type { Opener } from '../hub/open-named.ts';
import { isWeightsName, singleFile } from '../weights/single-file.ts';
import type { ModelFiles } from '../weights/source.ts';
import { modelAddress } from './fetched.ts';
import { directoryFiles, exists } from './node-files.ts';

/**
 * - `https://…` is a folder at an address, unless it is the page of a model on a hub;
 * - what begins with `hf:`, `hf-hub:` or `hf://` is a model on a hub, with `openai:` a file of OpenAI's;
 * - what exists is a folder or a file, with its blanks or without those around it;
 * - `org/name`, if there is no such folder, is an OpenCLIP name or a model on a hub; `./org/name` never is.
 */
export async function modelAt(text: string, options: OpenOptions): Promise<ModelFiles> {
  const trimmed = text.trim();
  const name = hubName(trimmed);
  if (!name?.certain && !isOpenaiName(trimmed)) {
    if (/^https?:/i.test(trimmed)) return modelAddress(trimmed, options);
    for (const path of new Set([text, trimmed]))
      if (path !== '' && (await exists(path))) return pathFiles(path, options);
    refuseNoRevision(trimmed);
    if (/^[\w.-]+$/.test(trimmed)) (await import('../hub/published.ts')).refuseUntagged(trimmed);
    if (!name || isWeightsName(trimmed)) return pathFiles(text, options);
  }
  const { openNamed } = await import('../hub/open-named.ts');
  return openNamed(trimmed, options, await opener());
}

function pathFiles(path: string, options: OpenOptions): ModelFiles {
  const { revision } = options;
  if (revision !== undefined) {
    throw new ClipError('CONFIG', `${JSON.stringify(path)} is a path, which has no revision; for a model on a hub, put hf: before its name`); // biome-ignore format: one line
  }
  const file = singleFile(path, directoryFiles);
  return file ? { ...file, openaiTokenizer: () => tokenizer(options) } : directoryFiles(path);
}

/** From the cache or the hub: OpenAI's files of weights come without their vocabulary. */
async function tokenizer(options: OpenOptions): Promise<string | undefined> {
  const { openaiTokenizer } = await import('../hub/open-named.ts');
  return openaiTokenizer(options, await opener());
}

async function opener(): Promise<Opener> {
  const { openCached } = await import('../hub/cached-files.ts');
  const { openCachedFile } = await import('../hub/published-file.ts');
  return { hub: openCached, file: openCachedFile };
}
