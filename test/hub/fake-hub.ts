/**
 * A server that answers as the hub does: listings compressed, small files by way of a redirect on the same origin, large ones
 * at another origin (another port) with ranges, and the headers by which clients name and check files. Pages of any origin may
 * read it; the files' origin shows them no header, and refuses preflights as the hub's Xet bridge in huggingface/datasets#7931.
 * It can be told to misbehave, and remembers what it was asked.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export type Files = Readonly<Record<string, Uint8Array | string>>;

export interface Asked {
  readonly at: 'hub' | 'files';
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  readonly acceptsGzip: boolean;
}

interface Stored {
  readonly path: string;
  readonly bytes: Buffer;
  readonly large: boolean;
  readonly id: string;
}

type Handler = (asked: Asked, response: ServerResponse) => boolean | undefined;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const gitId = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** A commit's name that follows from its files. */
const commitOf = (files: readonly Stored[]): string =>
  createHash('sha1')
    .update(files.map(({ path, id }) => `${path} ${id}`).join('\n'))
    .digest('hex');

export class FakeHub {
  /** The address of the hub, and of the origin that has the large files. */
  address = '';
  filesAddress = '';
  readonly asked: Asked[] = [];
  /** Answers instead, if it returns true. */
  intercept: Handler | undefined;
  /** How the files' origin treats ranges. */
  ranges: 'given' | 'ignored' | 'other' | 'refused' = 'given';
  /** What compresses large files on their way, asked or not: each body as it goes out, or the stored file, whose ranges are then parts of a stream. */
  gzip: 'bodies' | 'file' | undefined;
  /** How many bytes of each next large file come before the connection breaks. */
  cuts: number[] = [];
  /** Pieces of this many bytes with a pause between them. */
  slow: { bytes: number; ms: number } | undefined;
  /** Whether the files' origin answers preflights. */
  preflights = false;
  /** Where in each large file one byte is another. */
  flip: number | undefined;
  /** Whether listings have sizes and checksums. */
  detailed = true;
  /** The token without which nothing is shown. */
  token: string | undefined;
  readonly #models = new Map<string, { commits: Map<string, Stored[]>; refs: Map<string, string> }>();
  readonly #servers: Server[] = [];

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    hub.address = await hub.#listen('hub', (asked, query, response) => hub.#answer(asked, query, response));
    hub.filesAddress = await hub.#listen('files', (asked, _query, response) => hub.#file(asked, response));
    return hub;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Publishes files as a new commit of a branch; returns the commit. */
  publish(id: string, files: Files, ref = 'main'): string {
    const stored = Object.entries(files).map(([path, content]): Stored => {
      const bytes = Buffer.from(content as Uint8Array);
      const large = /\.(?:safetensors|bin|pt)$/.test(path);
      return { path, bytes, large, id: large ? sha256(bytes) : gitId(bytes) };
    });
    const commit = commitOf(stored);
    const model = this.#models.get(id) ?? { commits: new Map(), refs: new Map() };
    model.commits.set(commit, stored);
    model.refs.set(ref, commit);
    this.#models.set(id, model);
    return commit;
  }

  /** Paths that were asked for, without those of the API. */
  fetched(): string[] {
    const names = this.asked.filter(({ at, path }) => at === 'hub' && path.includes('/resolve/'));
    return names.map(({ path }) => path.replace(/^.*\/resolve\/[^/]+\//, ''));
  }

  async #listen(at: Asked['at'], answer: (asked: Asked, query: URLSearchParams, response: ServerResponse) => void) {
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url!, 'http://x');
      const { range, authorization } = request.headers;
      const asked: Asked = {
        at,
        method: request.method!,
        path: decodeURIComponent(url.pathname),
        range,
        authorization,
        acceptsGzip: /\bgzip\b/.test(String(request.headers['accept-encoding'])),
      };
      this.asked.push(asked);
      allow(at, request, response);
      if (asked.method === 'OPTIONS') {
        response.writeHead(at === 'hub' || this.preflights ? 204 : 403).end();
        return;
      }
      if (this.intercept?.(asked, response)) return;
      answer(asked, url.searchParams, response);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #answer(asked: Asked, query: URLSearchParams, response: ServerResponse): void {
    const parts = asked.path.slice(1).split('/');
    const api = parts[0] === 'api';
    const kept = api && parts[1] === 'resolve-cache';
    const [org, name, verb, ...rest] = api ? (kept ? parts.slice(3) : parts.slice(2)) : parts;
    const model = this.#models.get(`${org}/${name}`);
    if (!model || (this.token !== undefined && asked.authorization !== `Bearer ${this.token}`)) {
      // As the hub does: who may not know whether it exists is asked for a token.
      refuse(response, 401, 'RepoNotFound', 'Repository not found');
      return;
    }
    const file = kept ? [verb, ...rest] : rest;
    const revision = kept ? verb! : verb === 'revision' ? rest.join('/') : rest[0]!;
    const commit = model.refs.get(revision) ?? (model.commits.has(revision) ? revision : undefined);
    if (commit === undefined) {
      refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
      return;
    }
    const files = model.commits.get(commit)!;
    response.setHeader('X-Repo-Commit', commit);
    if (verb === 'revision') {
      json(response, { id: `${org}/${name}`, sha: commit, siblings: files.map((one) => sibling(one, this.detailed && query.has('blobs'))) }); // biome-ignore format: one line
      return;
    }
    if (verb === 'tree') {
      json(response, files.map(({ path, bytes, large, id }) => ({ type: 'file', path, size: bytes.length, oid: gitId(bytes), ...(large && { lfs: { oid: id, size: bytes.length, pointerSize: 134 } }) }))); // biome-ignore format: one line
      return;
    }
    const path = file.slice(1).join('/');
    const found = files.find((one) => one.path === path);
    if (!found) {
      refuse(response, 404, 'EntryNotFound', `${path} does not exist`);
      return;
    }
    if (found.large) {
      response.setHeader('X-Linked-Etag', `"${found.id}"`).setHeader('X-Linked-Size', found.bytes.length);
      response.setHeader('ETag', `"${gitId(Buffer.from(found.id))}"`);
      response.writeHead(302, { location: `${this.filesAddress}/${found.id}?signature=1` }).end();
    } else if (kept) {
      response.setHeader('ETag', `"${found.id}"`).setHeader('content-type', 'text/plain');
      send(asked, response, found.bytes);
    } else {
      response.setHeader('ETag', `"${found.id}"`);
      response.writeHead(307, { location: `/api/resolve-cache/models/${org}/${name}/${commit}/${path}` }).end();
    }
  }

  /** Large files, by their SHA-256. */
  async #file(asked: Asked, response: ServerResponse): Promise<void> {
    const all = [...this.#models.values()].flatMap(({ commits }) => [...commits.values()].flat());
    const stored = all.find(({ id }) => asked.path === `/${id}`)?.bytes;
    const flipped = stored && this.#flipped(stored);
    const bytes = flipped && this.gzip === 'file' ? gzipSync(flipped) : flipped;
    if (asked.authorization !== undefined || !bytes) {
      // A signed address and a token: what S3 answers.
      response.writeHead(bytes ? 400 : 404).end('<Error>');
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(asked.range ?? '') ?? [];
    response.setHeader('ETag', '"of-the-other-origin"').setHeader('Accept-Ranges', 'bytes');
    if (this.gzip) response.setHeader('content-encoding', 'gzip');
    const sent = (part: Buffer) => (this.gzip === 'bodies' ? gzipSync(part) : part);
    if (from === undefined || this.ranges === 'ignored') {
      const body = sent(bytes);
      response.writeHead(200, { 'content-length': body.length });
      await this.#body(response, body);
    } else if (this.ranges === 'refused' || Number(from) >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    } else {
      const start = this.ranges === 'other' ? 0 : Number(from);
      const end = Math.min(to === '' ? bytes.length : Number(to) + 1, bytes.length);
      const body = sent(bytes.subarray(start, end));
      response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, 'content-length': body.length }); // biome-ignore format: one line
      await this.#body(response, body);
    }
  }

  #flipped(bytes: Buffer): Buffer {
    if (this.flip === undefined) return bytes;
    const other = Buffer.from(bytes);
    other[this.flip]! ^= 1;
    return other;
  }

  async #body(response: ServerResponse, bytes: Buffer): Promise<void> {
    const cut = this.cuts.shift();
    const sent = bytes.subarray(0, cut);
    const { slow } = this;
    for (let at = 0; slow && at < sent.length && !response.destroyed; at += slow.bytes) {
      response.write(sent.subarray(at, at + slow.bytes));
      await new Promise((resolve) => setTimeout(resolve, slow.ms));
    }
    const rest = slow ? Buffer.alloc(0) : sent;
    if (cut === undefined) response.end(rest);
    else response.write(rest, () => response.destroy());
  }
}

/** Lets pages read the answer (CORS), as huggingface.co and its servers of files do. */
function allow(at: Asked['at'], request: IncomingMessage, response: ServerResponse): void {
  if (at === 'files') {
    response.setHeader('access-control-allow-origin', '*').setHeader('access-control-allow-headers', 'authorization, range'); // biome-ignore format: one line
    return;
  }
  response.setHeader('access-control-allow-origin', request.headers.origin ?? '*').setHeader('vary', 'Origin');
  response.setHeader('access-control-expose-headers', 'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash'); // biome-ignore format: one line
  response.setHeader('access-control-allow-methods', 'GET, HEAD').setHeader('access-control-allow-headers', 'authorization, range'); // biome-ignore format: one line
}

function sibling({ path, bytes, large, id }: Stored, detailed: boolean): object {
  if (!detailed) return { rfilename: path };
  const lfs = large && { lfs: { sha256: id, size: bytes.length, pointerSize: 134 } };
  return { rfilename: path, size: bytes.length, blobId: gitId(large ? Buffer.from(id) : bytes), ...lfs };
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'X-Error-Code': code, 'X-Error-Message': message, 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: message }));
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-encoding': 'gzip' });
  response.end(gzipSync(JSON.stringify(value)));
}

/** Compressed if the client takes it, as the hub sends texts. */
function send(asked: Asked, response: ServerResponse, bytes: Buffer): void {
  const body = asked.acceptsGzip ? gzipSync(bytes) : bytes;
  if (asked.acceptsGzip) response.setHeader('content-encoding', 'gzip');
  response.setHeader('content-length', body.length);
  response.end(asked.method === 'HEAD' ? undefined : body);
}
