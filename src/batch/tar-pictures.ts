/**
 * The pictures in a tar file, by the endings of their names, while it is read. Of a picture that is a link to another member, the
 * bytes are read again from where that one is.
 */
import { ClipError } from '../errors.ts';
import { joinPieces, streamPieces } from '../image/body.ts';
import { checkBytes, type ImageLimits } from '../image/limits.ts';
import { show } from '../json.ts';
import { batchPackage } from './packages.ts';
import { PictureError } from './picture-error.ts';
import { isPictureMember, type ShardPicture } from './shard-picture.ts';
import { TarNames } from './tar-names.ts';

export interface TarFile {
  /** As keys and messages have it. */
  readonly name: string;
  /** Where it is, for messages. */
  readonly place: string;
  /** All its bytes, as they come. */
  readonly bytes: ReadableStream<Uint8Array>;
  /** Some of them, again. @throws what ends the shard: ClipError IO */
  range(start: number, end: number): Promise<Uint8Array>;
}

interface TarEntry {
  readonly header: { readonly name: string; readonly type?: string; readonly size: number; readonly linkname?: string };
  readonly body: ReadableStream<Uint8Array>;
}

/** Where a member's bytes are in the tar file. */
interface Extent {
  readonly start: number;
  readonly size: number;
}

/** In the order of the file; pictures that are links to members behind them come last. @throws what ends the shard: ClipError IO */
export async function* tarPictures(
  tar: TarFile,
  limits: ImageLimits,
  signal: AbortSignal,
): AsyncGenerator<ShardPicture> {
  const { createTarDecoder } = await batchPackage('modern-tar', 'to read tar files');
  const names = new TarNames();
  const entries = tar.bytes
    .pipeThrough(names.passing(), { signal })
    .pipeThrough(createTarDecoder({ strict: true }) as ReadableWritablePair, { signal });
  const reader = (entries as ReadableStream<TarEntry>).getReader();
  const members = new Members();
  const later: string[] = [];
  const linked = (name: string, extent: Extent | undefined): ShardPicture => ({
    key: `${tar.name}/${name}`,
    bytes: async () => {
      if (!extent) throw new PictureError('IO', `it is a link to ${show(members.target(name))}, which is not in the tar file`); // biome-ignore format: one line
      checkBytes(extent.size, limits);
      return tar.range(extent.start, extent.start + extent.size);
    },
  });
  const failed = (cause: unknown): never => {
    signal.throwIfAborted();
    throw new ClipError('IO', `${tar.place}: ${tar.name}: ${(cause as Error).message}`, { cause });
  };
  try {
    for (;;) {
      const { done, value: entry } = await reader.read().catch(failed);
      if (done) break;
      const { type = 'file', size } = entry.header;
      const { name, link, start } = names.take(entry.header.name, entry.header.linkname);
      if (type === 'link' || type === 'symlink') members.addLink(name, link, type === 'symlink');
      else if (type === 'file' && start !== undefined) members.add(name, { start, size });
      if (!isPictureMember(name) || type === 'directory') {
        await passOver(entry.body).catch(failed);
        continue;
      }
      const key = `${tar.name}/${name}`;
      if (type === 'file' && size <= limits.maxBytes) {
        const bytes = await joinPieces(streamPieces(entry.body, key, limits, signal));
        yield { key, bytes: async () => bytes };
        continue;
      }
      await passOver(entry.body).catch(failed);
      if (type === 'file') yield { key, bytes: async () => refused(size, limits) };
      else if (members.target(name) !== undefined) {
        const extent = members.find(name);
        if (extent) yield linked(name, extent);
        else later.push(name);
      } else yield { key, bytes: () => Promise.reject(new PictureError('IO', 'it is not a regular file')) };
    }
    for (const name of later) yield linked(name, members.find(name));
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** What a member is a link to. */
interface Link {
  /** As the file has it. */
  readonly target: string;
  /** The member of that name. */
  readonly name: string;
}

/** What a tar file has under a name: where its bytes are, or what it is a link to. */
class Members {
  readonly #members = new Map<string, Extent | Link>();

  add(name: string, extent: Extent): void {
    this.#members.set(plainPath(name), extent);
  }

  /** @param isSymbolic whether the target is seen from the link's folder; that of a hard link is a member's name */
  addLink(name: string, target: string, isSymbolic: boolean): void {
    const isRelative = isSymbolic && !target.startsWith('/');
    this.#members.set(plainPath(name), { target, name: plainPath(isRelative ? `${name}/../${target}` : target) });
  }

  /** What a member is a link to; undefined if it is none. */
  target(name: string): string | undefined {
    const found = this.#members.get(plainPath(name));
    return found && 'target' in found ? found.target : undefined;
  }

  /** Where the bytes of a member are, or of what it is a link to; undefined if that is not there. */
  find(name: string): Extent | undefined {
    let path = plainPath(name);
    for (let links = 0; links < MAX_LINKS; links++) {
      const next = this.#followed(path);
      if (next === undefined) return this.#members.get(path) as Extent | undefined;
      path = next;
    }
    return undefined;
  }

  /** Where the first link of a path leads, be it a folder's or its own; undefined if it has none. */
  #followed(path: string): string | undefined {
    for (let end = path.indexOf('/', 1); ; end = path.indexOf('/', end + 1)) {
      const found = this.#members.get(end < 0 ? path : path.slice(0, end));
      if (found && 'target' in found) return plainPath(end < 0 ? found.name : found.name + path.slice(end));
      if (end < 0) return undefined;
    }
  }
}

/** As many links as Linux follows for a path. */
const MAX_LINKS = 40;

/**
 * Without `.`, and `..` with what is before it; what leads out of the tar file keeps its first `/` or `..`. Node's `normalize` would
 * do, but Bun's loses bytes that are not UTF-8.
 */
function plainPath(path: string): string {
  const isAbsolute = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part === '..' && !isAbsolute) parts.push(part);
    else if (part !== '' && part !== '.' && part !== '..') parts.push(part);
  }
  return (isAbsolute ? '/' : '') + parts.join('/');
}

/** Reads a body to its end. modern-tar 0.8 loses the next member when a body is canceled of which it has all bytes: that one never ends. */
async function passOver(body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  while (!(await reader.read()).done);
}

function refused(size: number, limits: ImageLimits): never {
  checkBytes(size, limits);
  throw new TypeError('it is within the limits');
}
