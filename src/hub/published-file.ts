/**
 * A published file of weights in the folder that OpenAI's `clip.load` and OpenCLIP use (`~/.cache/clip/RN50.pt`), so that
 * what they fetched is found, and the other way round. They check its SHA-256 at each load, too.
 */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ClipError } from '../errors.ts';
import { modelAddress } from '../platform/fetched.ts';
import { directoryFiles } from '../platform/node-files.ts';
import { singleFile } from '../weights/single-file.ts';
import type { ModelFiles } from '../weights/source.ts';
import type { HubOptions, LoadAccess } from './access.ts';
import { made } from './cache.ts';
import { fileId } from './digest.ts';
import { download } from './download.ts';
import { nodeAccess } from './environment.ts';
import { withLock } from './lock.ts';
import type { PublishedFile } from './published.ts';

/**
 * Fetches the file if it is not there or damaged; for a look at its headers, it is read in parts at its address.
 * @throws ClipError IO if it cannot be fetched or written; the signal's reason if aborted
 */
export async function openCachedFile(file: PublishedFile, options: HubOptions, load: LoadAccess): Promise<ModelFiles> {
  const { url, id, name, model, server } = file;
  const { token: _, ...hub } = await nodeAccess(options, load);
  const access = { ...hub, endpoint: new URL(url).origin, token: undefined };
  const path = join(options.cacheDir === undefined ? join(homedir(), '.cache', 'clip') : access.cacheDir, name);
  const isHere = async () =>
    (await stat(path).catch(() => undefined))?.isFile() === true && (await fileId(path, id, load.signal)) === id;
  if (load.inParts && (await stat(path).catch(() => undefined))?.isFile())
    return alone(singleFile(path, directoryFiles)!);
  if (!(await isHere())) {
    if (load.inParts && !access.offline) return alone(modelAddress(url, { fetch: access.fetch, inParts: true }));
    if (access.offline) throw new ClipError('IO', `"${path}" is not there or damaged, and nothing may be fetched (localFilesOnly, HF_HUB_OFFLINE)`); // biome-ignore format: one line
    await made(dirname(path));
    await withLock(`${path}.edgeclip.lock`, load.signal, async () => {
      if (await isHere()) return; // it came while this load waited
      const partial = `${path}.edgeclip.incomplete`;
      await download(access, { model, name, url, size: undefined, id, target: path, partial, server });
    });
  }
  return alone(singleFile(path, directoryFiles)!);
}

/** Nothing beside it belongs to it. */
function alone(files: ModelFiles): ModelFiles {
  return { ...files, text: async () => undefined };
}
