/** What a revision of a model holds: its commit, and its files with sizes and checksums, as the hub's API tells it. */
import { ClipError } from '../errors.ts';
import { isObject } from '../json.ts';
import type { HubAccess } from './access.ts';
import { discard, send } from './client.ts';
import { type HubName, isCommit } from './name.ts';

/** A listing has some hundred bytes a file. */
const LARGEST_LISTING = 32 << 20;

export interface HubFile {
  readonly path: string;
  /** In bytes, if the hub told. */
  readonly size: number | undefined;
  /** SHA-256 of a large file's bytes, or the git object id of a small one's; its ETag as well, if the hub told. */
  readonly id: string | undefined;
}

export interface Listing {
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
}

/** What messages call a model. */
export const modelName = ({ id, revision }: HubName): string => (revision === 'main' ? id : `${id}@${revision}`);

/** @throws HubError; ClipError IO if the answer is not a hub's */
export async function listFiles(access: HubAccess, model: HubName, attempts?: number): Promise<Listing> {
  const name = modelName(model);
  const url = `${access.endpoint}/api/models/${model.id}/revision/${encodeURIComponent(model.revision)}?blobs=true`;
  const answer = await send(access, { model: name, url, headers: { accept: 'application/json' }, ...(attempts !== undefined && { attempts }) }); // biome-ignore format: one line
  const wrong = (what: string) =>
    new ClipError(
      'IO',
      `cannot get ${JSON.stringify(name)}: ${new URL(url).host} does not answer as a hub does: ${what}`,
    );
  let text: string;
  try {
    if (/html/i.test(answer.response.headers.get('content-type') ?? '')) {
      throw wrong('a web page came; a login page of the network, or a wrong HF_ENDPOINT?');
    }
    text = await answer.response.text();
  } catch (cause) {
    access.signal?.throwIfAborted();
    if (cause instanceof ClipError) throw cause;
    throw new ClipError('IO', `cannot get ${JSON.stringify(name)}: the answer broke off: ${(cause as Error).message}`, { cause }); // biome-ignore format: one line
  } finally {
    await discard(answer);
  }
  if (text.length > LARGEST_LISTING) throw wrong(`${text.length} characters came`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong(/^\s*</.test(text) ? 'a web page came' : 'what came is not JSON');
  }
  if (!isObject(json) || typeof json.sha !== 'string' || !isCommit(json.sha) || !Array.isArray(json.siblings)) {
    throw wrong('there is no commit and no list of files in it');
  }
  const files = new Map<string, HubFile>();
  for (const sibling of json.siblings) {
    if (!isObject(sibling) || typeof sibling.rfilename !== 'string') throw wrong('a file has no name');
    files.set(sibling.rfilename, hubFile(sibling.rfilename, sibling));
  }
  return { commit: json.sha, files };
}

/** A listing as text, and read back; undefined for what is not a listing. */
export const listingText = ({ commit, files }: Listing): string =>
  JSON.stringify({ commit, files: [...files.values()] });

export function parseListing(text: string): Listing | undefined {
  try {
    const { commit, files } = JSON.parse(text) as { commit: string; files: HubFile[] };
    return { commit, files: new Map(files.map((file) => [file.path, file])) };
  } catch {
    return undefined;
  }
}

/** Large files have `lfs` with the size and SHA-256 (`sha256`, `oid` in trees); the others a git object id. */
function hubFile(path: string, sibling: Record<string, unknown>): HubFile {
  const lfs = isObject(sibling.lfs) ? sibling.lfs : undefined;
  const id = lfs ? (lfs.sha256 ?? lfs.oid) : (sibling.blobId ?? sibling.oid);
  const size = lfs?.size ?? sibling.size;
  return {
    path,
    size: Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined,
    id: typeof id === 'string' && isDigest(id) ? id : undefined,
  };
}

/** A SHA-256 (of a large file) or SHA-1 (git's, of a small one) in hexadecimal digits. */
export const isDigest = (id: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(id);
