/**
 * A bucket of object storage, by Amazon's S3 protocol: signed by aws4fetch, which takes temporary credentials and any header, so
 * that a conditional PUT (`If-None-Match: *`) writes a part once.
 */
import type { AwsClient } from 'aws4fetch';
import { ClipError } from '../errors.ts';
import { fetchReason } from '../fetch-reason.ts';
import { isPassing, retryAfter } from '../hub/client.ts';
import { bodyPieces, joinPieces } from '../image/body.ts';
import { imageLimits } from '../image/limits.ts';
import { batchPackage } from './packages.ts';
import { PassingError, type Retries, retried, STORAGE_RETRIES } from './retries.ts';
import { bucketOf, checkEndpoint, type ReadOptions, type Storage, type StoredFile } from './storage.ts';

/** Where the bucket is and who asks. Default of each: the usual variable of the environment. */
export interface S3Place {
  /** `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, else Amazon's. */
  readonly endpoint?: string;
  /** `AWS_REGION`, `AWS_DEFAULT_REGION`, else us-east-1. */
  readonly region?: string;
  readonly retries?: Retries;
}

/** Larger files are written in parts; 5 GiB is the most that S3 takes in one request, and a part has at least 5 MiB. */
const PART_BYTES = 64 << 20;
/** The time for an answer, body included: of a part of 64 MiB, too. */
const TIMEOUT_MS = 60_000;

export class S3Storage implements Storage {
  readonly place: string;
  readonly #client: AwsClient;
  readonly #bucket: URL;
  /** Ends with `/`, or is empty. */
  readonly #prefix: string;
  readonly #retries: Retries;

  private constructor(place: string, client: AwsClient, bucket: URL, prefix: string, retries: Retries) {
    this.place = place;
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#retries = retries;
  }

  /** @throws RangeError for an address without a bucket; ClipError IO without credentials, UNSUPPORTED without the package */
  static async open(place: string, { endpoint, region, retries = STORAGE_RETRIES }: S3Place): Promise<S3Storage> {
    const { bucket, path } = bucketOf(place);
    const env = process.env;
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env; // biome-ignore format: one line
    if (!accessKeyId || !secretAccessKey) {
      throw new ClipError(
        'IO',
        `${place}: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN if they are temporary)`,
      );
    }
    const where = region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1');
    const base = endpoint ?? (env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL);
    if (base) checkEndpoint(base);
    const { AwsClient } = await batchPackage('aws4fetch', 'for s3:// addresses');
    const client = new AwsClient({
      accessKeyId,
      secretAccessKey,
      ...(sessionToken && { sessionToken }),
      service: 's3',
      region: where,
      retries: 0, // `retried` knows more of them
    });
    // Other servers than Amazon's often answer only to the bucket in the path.
    const address = base
      ? new URL(`${base.replace(/\/$/, '')}/${bucket}/`)
      : new URL(`https://${bucket}.s3.${where}.amazonaws.com/`);
    return new S3Storage(place, client, address, path === '' || path.endsWith('/') ? path : `${path}/`, retries);
  }

  async read(
    name: string,
    { start, end, maxBytes, signal }: ReadOptions & { readonly maxBytes?: number } = {},
  ): Promise<Uint8Array | undefined> {
    const headers = start === undefined ? {} : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` };
    return this.#send('GET', this.#address(name), { headers, signal, expected: [404] }, async (response) => {
      if (response.status === 404) {
        if (element(await response.text(), 'Code') !== 'NoSuchBucket') return undefined;
        throw new ClipError('IO', `${this.place}: there is no such bucket`);
      }
      if (start !== undefined && response.status !== 206)
        throw new PassingError('it answered a range with the whole file');
      const limits = imageLimits({ maxBytes: maxBytes ?? Number.MAX_SAFE_INTEGER });
      const bytes = await joinPieces(bodyPieces(response, name, limits, signal)).catch((error) => {
        throw (error as ClipError).code === 'IO' ? new PassingError(error.message, { cause: error }) : error;
      });
      if (Number(response.headers.get('content-length') ?? bytes.length) !== bytes.length)
        throw new PassingError('the answer ended early');
      return bytes;
    });
  }

  async stream(name: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    return this.#send('GET', this.#address(name), { signal, streams: true }, async (response) => response.body!);
  }

  async create(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    if (bytes.length > PART_BYTES) return this.#createInParts(name, bytes, signal);
    const headers = { 'if-none-match': '*', 'content-type': 'application/octet-stream' };
    return this.#send(
      'PUT',
      this.#address(name),
      { headers, body: bytes, signal, expected: [409, 412] },
      async ({ status }) => {
        // 409: another request for the same name is under way, whose end has to be seen.
        if (status === 409) throw new PassingError('another request writes it');
        return status !== 412;
      },
    );
  }

  /** Nothing is to be seen of what was not written whole; the bucket's own rules remove uploads that were not completed. */
  async tidy(): Promise<void> {}

  async find(name: string, signal?: AbortSignal): Promise<StoredFile | undefined> {
    return this.#send('HEAD', this.#address(name), { signal, expected: [404] }, async ({ status, headers }) => {
      if (status === 404) return undefined;
      const modified = Date.parse(headers.get('last-modified') ?? '');
      return { name, bytes: Number(headers.get('content-length') ?? 0), modified };
    });
  }

  /** In the order of the names' bytes, as S3 lists them. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<StoredFile> {
    for (let token: string | undefined; ; ) {
      const address = new URL(this.#bucket);
      const query = { 'list-type': '2', prefix: this.#prefix + prefix, 'encoding-type': 'url', ...(token && { 'continuation-token': token }) }; // biome-ignore format: one line
      // S3 wants %20 for a blank, and URLSearchParams writes +.
      address.search = new URLSearchParams(query).toString().replaceAll('+', '%20');
      const page = await this.#send('GET', address, { signal }, (response) => response.text());
      const isEncoded = element(page, 'EncodingType') === 'url'; // some servers do not know the wish
      const decoded = (key: string) => (isEncoded ? decodeURIComponent(key.replaceAll('+', ' ')) : key);
      for (const [, entry = ''] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        const key = decoded(element(entry, 'Key'));
        if (key.endsWith('/')) continue; // what consoles make for an empty folder
        const bytes = Number(element(entry, 'Size'));
        yield { name: key.slice(this.#prefix.length), bytes, modified: Date.parse(element(entry, 'LastModified')) };
      }
      token = element(page, 'NextContinuationToken');
      if (element(page, 'IsTruncated') !== 'true' || token === '') return;
    }
  }

  /** Multipart upload: nothing is to be seen of it until the last request, which carries the condition. */
  async #createInParts(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    if (await this.find(name, signal)) return false;
    const address = (query: string) => new URL(`?${query}`, this.#address(name));
    const id = element(
      await this.#send('POST', address('uploads='), { signal }, (response) => response.text()),
      'UploadId',
    );
    const upload = `uploadId=${encodeURIComponent(id)}`;
    try {
      const tags: string[] = [];
      for (let at = 0; at < bytes.length; at += PART_BYTES) {
        const options = { body: bytes.subarray(at, at + PART_BYTES), signal };
        const part = address(`partNumber=${tags.length + 1}&${upload}`);
        tags.push(await this.#send('PUT', part, options, async ({ headers }) => headers.get('etag') ?? ''));
      }
      const list = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`).join('');
      const body = new TextEncoder().encode(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
      const options = { headers: { 'if-none-match': '*' }, body, signal, expected: [404, 409, 412] };
      return await this.#send('POST', address(upload), options, async (response) => {
        const text = await response.text();
        if (response.status === 409) throw new PassingError('another request writes it');
        // 404: an earlier attempt, whose answer was lost, had completed it.
        if (response.status === 404 || response.status === 412) return false;
        if (text.includes('<Error>')) throw new PassingError(element(text, 'Message')); // S3 may answer 200 first
        return true;
      });
    } catch (error) {
      await this.#send('DELETE', address(upload), { expected: [404] }, async () => {}).catch(() => {});
      throw error;
    }
  }

  #address(name: string): URL {
    const path = (this.#prefix + name).split('/').map(encodeName).join('/');
    return new URL(this.#bucket.href + path);
  }

  /** Sends a request, again if that may help, and hands the answer to `take`. */
  async #send<T>(
    method: string,
    address: URL,
    { headers, body, signal, expected = [], streams = false }: S3Request,
    take: (response: Response) => Promise<T>,
  ): Promise<T> {
    const what = `${this.place}: ${method} ${decodeURIComponent(address.pathname)}`;
    try {
      return await retried(
        async () => {
          const timeout = AbortSignal.timeout(TIMEOUT_MS);
          const signals = [signal, streams ? undefined : timeout].filter((one) => one !== undefined);
          try {
            const response = await this.#client.fetch(address.href, {
              method,
              headers: { ...headers },
              body: (body ?? null) as BodyInit | null,
              signal: AbortSignal.any(signals),
            });
            if (response.ok || expected.includes(response.status)) return await take(response);
            const text = method === 'HEAD' ? '' : await response.text();
            const reason = [element(text, 'Code'), element(text, 'Message')].filter(Boolean).join(': ');
            const message = `status ${response.status}${reason ? ` (${reason})` : ''}`;
            if (!isPassing(response.status)) throw new ClipError('IO', `${what}: ${message}`);
            throw new PassingError(message, { after: retryAfter(response.headers) });
          } catch (error) {
            if (error instanceof ClipError || error instanceof PassingError || signal?.aborted) throw error;
            throw new PassingError(fetchReason(error), { cause: error });
          }
        },
        signal,
        this.#retries,
      );
    } catch (error) {
      if (!(error instanceof PassingError)) throw error;
      throw new ClipError('IO', `${what}: ${error.message}, ${this.#retries.attempts} times`, { cause: error });
    }
  }
}

interface S3Request {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** Statuses that `take` wants to see. */
  readonly expected?: readonly number[];
  /** Whether the body goes on after the call. */
  readonly streams?: boolean;
}

/** What S3's signature wants: all but letters, digits and -._~ as percent and two digits. */
const encodeName = (part: string): string =>
  encodeURIComponent(part).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** The text of an element; '' if there is none. */
function element(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
  return text.replace(/&(lt|gt|quot|apos|amp|#\d+|#x[\da-f]+);/gi, (whole, entity: string) => {
    if (entity.startsWith('#'))
      return String.fromCodePoint(Number(entity.replace(/^#(x?)/i, (_, x) => (x ? '0x' : ''))));
    return { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }[entity.toLowerCase()] ?? whole;
  });
}
