/** The server as a function from a request to its answer, for any runtime: routes, and what they have in common. */
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import type { Clip } from '../clip.ts';
import { checkOptions, kindOf, type OptionType } from '../options.ts';
import type { Photo, PhotoStore } from '../search/photo-store.ts';
import { ApiKey, checkLocalName } from './access.ts';
import { HeldBytes, parseJson, readBody } from './body.ts';
import { classify } from './classify.ts';
import { embeddings } from './embeddings.ts';
import { type Exchange, type Parts, timed } from './exchange.ts';
import { predict } from './immich.ts';
import { LabelSets } from './label-sets.ts';
import { LiveModel, type LoadModel } from './live-model.ts';
import { errorFields, type Log, requestId } from './log.ts';
import { openMeter } from './metrics.ts';
import { ModelNames } from './names.ts';
import { describeServer } from './openapi.ts';
import { descriptionPage, styleHash } from './openapi-page.ts';
import type { FetchPicture } from './pictures.ts';
import { WorkQueue } from './queue.ts';
import { errorBody, Refusal, refusalOf } from './refusal.ts';
import { search } from './search.ts';
import { pictureType, SITE_POLICY, type Site } from './site.ts';

export interface ServeOptions {
  /** Requests are refused with 429 when their work would wait longer than this, in seconds. Default 5. */
  readonly maxWait?: number | undefined;
  /** How long the first request waits for others that are computed with it, in ms. Default 2. */
  readonly gather?: number | undefined;
  /** Bytes of a request's body. Default 33,554,432 (32 MiB). */
  readonly maxBody?: number | undefined;
  /** Bytes of all bodies that are held at once. Default eight times `maxBody`. */
  readonly maxHeld?: number | undefined;
  /** How long a body may take to arrive, in seconds. Default 30. */
  readonly bodyTimeout?: number | undefined;
  /** Pixels of a picture, width times height. Default: the model's limit. */
  readonly maxPixels?: number | undefined;
  /** Labels whose vectors are kept, of all label sets together. Default 20,000. */
  readonly cachedLabels?: number | undefined;
  /** Requests must bring it, as `Authorization: Bearer KEY` or `X-API-Key: KEY`; `/health` and `/ready` need none. */
  readonly apiKey?: string | undefined;
  /** Whether requests to another host name than localhost are refused: for a server on a loopback address. Default false. */
  readonly localNames?: boolean | undefined;
  /** Origins whose pages may read answers; `*` is any. Default none. */
  readonly cors?: readonly string[] | undefined;
  /** Names of the model, the first of which answers give. Default: the model's own. */
  readonly names?: readonly string[] | undefined;
  /** The version that the description gives. */
  readonly version?: string | undefined;
  /** Gets pictures by their addresses. Default: addresses are refused. */
  readonly fetchPicture?: FetchPicture | undefined;
  /** A photo index of the same model, from `openPhotos` of `edgeclip/search`: for `POST /search`. */
  readonly photos?: PhotoStore | undefined;
  /** The page for people. @internal */
  readonly site?: Site | undefined;
  /** Gets a line for each request. Default: nothing is logged. */
  readonly log?: Log | undefined;
}

/** A server without its sockets. */
export interface App {
  /** Answers a request. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Resolves when the model is loaded and measured. @throws what loading throws */
  ready(): Promise<void>;
  /** Takes no more work; resolves when all that was begun is answered, and disposes of a model that it has loaded. */
  close(): Promise<void>;
}

const OPTIONS: Readonly<Record<keyof ServeOptions, OptionType>> = {
  maxWait: 'number',
  gather: 'number',
  maxBody: 'number',
  maxHeld: 'number',
  bodyTimeout: 'number',
  maxPixels: 'number',
  cachedLabels: 'number',
  apiKey: 'string',
  localNames: 'boolean',
  cors: 'any',
  names: 'any',
  version: 'string',
  fetchPicture: 'function',
  photos: 'any',
  site: 'any',
  log: 'function',
};

/** Paths, and how they are asked for. */
const ROUTES: Readonly<Record<string, 'GET' | 'POST'>> = {
  '/v1/embeddings': 'POST',
  '/v1/models': 'GET',
  '/classify': 'POST',
  '/predict': 'POST',
  '/search': 'POST',
  '/ping': 'GET',
  '/health': 'GET',
  '/ready': 'GET',
  '/metrics': 'GET',
  '/openapi.json': 'GET',
  '/docs': 'GET',
};

/** Paths that need no key. */
const OPEN: ReadonlySet<string> = new Set([
  '/',
  '/page.css',
  '/page.js',
  '/icon.svg',
  '/health',
  '/ready',
  '/ping',
  '/docs',
  '/openapi.json',
]);

/** The status in the log of a request whose client went away, as nginx has it. */
const CLIENT_LEFT = 499;

/**
 * A server for a model: OpenAI's `/v1/embeddings`, Hugging Face's zero-shot image classification, immich's protocol, and
 * what a service needs around them. It has no sockets: give its `fetch` to `Bun.serve`, `Deno.serve` or a framework; in Node
 * `edgeclip serve` listens.
 * @param model a model, or how to load it: then it is loaded again if its worker dies
 * @throws TypeError for what is not a model or an option
 * @example
 * import { createApp } from 'edgeclip/serve';
 * const app = createApp(clip, { maxWait: 2 });
 * const response = await app.fetch(new Request('http://localhost/v1/models'));
 * response.status; // 200
 */
export function createApp(model: Clip | LoadModel, options: ServeOptions = {}): App {
  checkOptions('createApp', options, OPTIONS);
  const given = typeof model === 'function' ? undefined : model;
  if (given !== undefined && typeof given?.encodeImages !== 'function') {
    throw new TypeError(`createApp: expected a model or a function that loads one, got ${kindOf(model)}`);
  }
  const live = new LiveModel(given ? async () => given : (model as LoadModel));
  return new Server(live, options, given === undefined).app;
}

class Server {
  readonly app: App;
  readonly #model: LiveModel;
  readonly #options: ServeOptions;
  readonly #parts: Promise<Parts>;
  readonly #key: ApiKey | undefined;
  readonly #started = Math.floor(Date.now() / 1000);
  #names: ModelNames | undefined;
  #ready: Promise<void> | undefined;
  #isReady = false;
  #active = 0;
  #closing: { readonly idle: Promise<void>; resolve(): void } | undefined;

  constructor(model: LiveModel, options: ServeOptions, isOwner: boolean) {
    this.#model = model;
    this.#options = options;
    this.#key = options.apiKey === undefined ? undefined : new ApiKey(options.apiKey);
    this.#parts = this.#open();
    const hono = this.#routes();
    this.app = {
      fetch: async (request) => hono.fetch(request),
      ready: () => this.#warmUp(),
      close: async () => {
        await this.#close();
        if (isOwner) model.dispose();
      },
    };
  }

  async #open(): Promise<Parts> {
    const { maxWait = 5, gather = 2, maxBody = 33_554_432, bodyTimeout = 30, cachedLabels = 20_000 } = this.#options;
    const { maxHeld = 8 * maxBody, maxPixels, fetchPicture } = this.#options;
    const held = new HeldBytes(maxHeld);
    const meter = await openMeter({
      queue: (kind) => queue.length(kind),
      wait: () => queue.wait,
      held: () => held.bytes,
      labels: () => labelSets.labels,
      model: () => this.#model.alive?.info().memory.total ?? 0,
      replaced: () => this.#model.replaced,
    });
    const queue = new WorkQueue(
      this.#model,
      { maxWait, gather, maxPixels },
      {
        batch(kind, size, seconds, waited) {
          meter.batch(kind, size);
          meter.stage('compute', seconds);
          for (const one of waited) meter.stage('wait', one);
        },
      },
    );
    const labelSets = new LabelSets(queue, cachedLabels);
    return {
      model: this.#model,
      queue,
      labelSets,
      meter,
      held,
      limits: { maxBody, maxHeld, patience: bodyTimeout * 1000 },
      maxPixels,
      names: () => this.#named(),
      fetchPicture,
    };
  }

  #named(): ModelNames {
    const { names = [] } = this.#options;
    this.#names ??= new ModelNames(names.length > 0 ? names : [this.#model.alive!.info().model]);
    return this.#names;
  }

  #warmUp(): Promise<void> {
    this.#ready ??= this.#parts
      .then(async ({ queue }) => {
        await queue.warmUp();
        const { photos } = this.#options;
        if (!photos) return;
        const clip = await this.#model.clip();
        photos.checkModel(clip);
        await photos.search(new Float32Array(photos.dimension).fill(1), 1); // reads its vectors
      })
      .then(() => {
        this.#isReady = true;
      })
      .catch((error) => {
        this.#ready = undefined;
        throw error;
      });
    return this.#ready;
  }

  #close(): Promise<void> {
    if (!this.#closing) {
      let resolve = () => {};
      const idle = new Promise<void>((done) => {
        resolve = done;
      });
      this.#closing = { idle, resolve };
    }
    if (this.#active === 0) this.#closing.resolve();
    return this.#closing.idle;
  }

  #routes(): Hono {
    const hono = new Hono();
    const { cors: origins } = this.#options;
    hono.use(async (c, next) => {
      const { path, method } = c.req;
      const id = requestId(c.req.raw);
      const since = performance.now();
      this.#active++;
      try {
        await next();
        c.header('x-request-id', id);
        c.header('x-content-type-options', 'nosniff');
        if (this.#closing) c.header('connection', 'close');
      } finally {
        this.#active--;
        if (this.#active === 0) this.#closing?.resolve();
        const seconds = (performance.now() - since) / 1000;
        const route = Object.hasOwn(ROUTES, path) ? path : 'other';
        const { status } = c.res;
        (await this.#parts).meter.request(route, status, seconds);
        this.#options.log?.({
          level: status >= 500 ? 'error' : 'info',
          message: 'request',
          id,
          method,
          path,
          status,
          ms: Math.round(seconds * 1e4) / 10,
          ...(c.error && errorFields(c.error)),
        });
      }
    });
    if (this.#options.localNames) {
      hono.use(async (c, next) => {
        checkLocalName(c.req.raw);
        await next();
      });
    }
    if (origins !== undefined && origins.length > 0) {
      hono.use(
        cors({
          origin: origins.includes('*') ? '*' : [...origins],
          allowHeaders: ['authorization', 'content-type', 'x-api-key', 'x-request-id'],
          exposeHeaders: ['x-request-id', 'retry-after'],
        }),
      );
    }
    hono.use(async (c, next) => {
      if (!OPEN.has(c.req.path)) await this.#key?.check(c.req.raw);
      await next();
    });

    hono.get('/health', (c) => c.json({ status: 'ok' }));
    hono.get('/ping', (c) => c.text('pong'));
    hono.get('/ready', (c) => {
      this.#checkOpen();
      if (!this.#isReady || !this.#model.alive) throw notReady();
      return c.json({ status: 'ready' });
    });
    hono.get('/metrics', async () => {
      const { type, text } = await (await this.#parts).meter.report();
      return new Response(text, { headers: { 'content-type': type } });
    });
    hono.get('/v1/models', async (c) => {
      await this.#warm();
      const { id } = this.#named();
      return c.json({ object: 'list', data: [{ id, object: 'model', created: this.#started, owned_by: 'edgeclip' }] });
    });
    const description = () => describeServer(this.#options.version ?? '', this.#key !== undefined);
    hono.get('/openapi.json', (c) => c.json(description()));
    hono.get('/docs', async (c) => {
      c.header('content-security-policy', `default-src 'none'; style-src ${await styleHash()}; base-uri 'none'`);
      return c.html(descriptionPage(description()));
    });
    hono.post('/v1/embeddings', (c) =>
      this.#work(c.req.raw, (parts, exchange, body) => embeddings(parts, exchange, parseJson(body))),
    );
    hono.post('/classify', (c) =>
      this.#work(c.req.raw, (parts, exchange, body) => classify(parts, exchange, c.req.raw, body)),
    );
    hono.post('/predict', (c) =>
      this.#work(c.req.raw, (parts, exchange, body) => predict(parts, exchange, c.req.raw, body)),
    );

    hono.post('/search', (c) =>
      this.#work(c.req.raw, (parts, exchange, body) => search(parts, exchange, this.#photos(), parseJson(body))),
    );
    this.#addSite(hono);

    hono.notFound((c) => {
      const allowed = Object.hasOwn(ROUTES, c.req.path) ? ROUTES[c.req.path] : undefined;
      const refusal = allowed
        ? new Refusal(405, 'METHOD', `${c.req.path} takes ${allowed}, not ${c.req.method}`, {
            headers: { allow: allowed },
          })
        : new Refusal(404, 'NOT_FOUND', `there is no ${c.req.path} here: GET /docs says what there is`);
      return respond(refusal);
    });
    hono.onError((error, c) => {
      if (c.req.raw.signal.aborted) return new Response(null, { status: CLIENT_LEFT });
      return respond(refusalOf(error));
    });
    return hono;
  }

  /** The page, and the photos that it shows: their ids stand for one content each, so they may be kept for ever. */
  #addSite(hono: Hono): void {
    const { site, photos } = this.#options;
    for (const [path, { type, body }] of site?.files ?? []) {
      hono.get(path, (c) => {
        c.header('content-type', type);
        c.header('content-security-policy', SITE_POLICY);
        c.header('referrer-policy', 'no-referrer');
        return c.body(body);
      });
    }
    hono.get('/site.json', async (c) => {
      await this.#warm();
      return c.json({ model: this.#named().id, photos: photos ? await photos.count() : null });
    });
    const show = (read: (site: Site, photo: Photo) => Promise<Uint8Array>) => async (id: string) => {
      const photo = /^\d{1,15}$/.test(id) ? await this.#photos().photo(Number(id)) : undefined;
      if (!photo || !site) throw new Refusal(404, 'NO_PHOTO', `the index has no photo ${id.slice(0, 20)}`);
      const bytes = await read(site, photo).catch((error) => {
        throw new Refusal(404, 'NO_PHOTO', `photo ${id}: ${error.message}`);
      });
      const headers = { 'content-type': pictureType(bytes), 'cache-control': 'private, max-age=31536000, immutable' };
      return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
    };
    const thumbnail = show((site, photo) => site.thumbnail(photo));
    const picture = show((site, photo) => site.picture(photo));
    hono.get('/photos/:id/thumbnail', (c) => thumbnail(c.req.param('id')));
    hono.get('/photos/:id', (c) => picture(c.req.param('id')));
  }

  /** @throws Refusal 404 without an index */
  #photos(): PhotoStore {
    const { photos } = this.#options;
    if (photos) return photos;
    throw new Refusal(404, 'NO_INDEX', 'this server has no photo index: edgeclip serve --in photos.db');
  }

  /** Reads a request's body and answers it. */
  async #work(
    request: Request,
    answer: (parts: Parts, exchange: Exchange, body: Uint8Array) => Promise<Response>,
  ): Promise<Response> {
    this.#checkOpen();
    const parts = await this.#warm();
    parts.queue.admit(); // before the body is read
    const account = parts.held.open();
    try {
      const body = await timed(parts, 'body', () => readBody(request, parts.limits, account));
      return await answer(parts, { signal: request.signal, account }, body);
    } finally {
      account.close();
    }
  }

  /** The parts, once the model is there. @throws Refusal 503 if it cannot be loaded */
  async #warm(): Promise<Parts> {
    try {
      if (!this.#isReady) await this.#warmUp();
    } catch (error) {
      this.#options.log?.({ level: 'error', message: 'the model cannot be loaded', ...errorFields(error) });
      throw notReady();
    }
    return this.#parts;
  }

  #checkOpen(): void {
    if (!this.#closing) return;
    throw new Refusal(503, 'CLOSING', 'the server is ending', { headers: { 'retry-after': '1', connection: 'close' } });
  }
}

function notReady(): Refusal {
  return new Refusal(503, 'NOT_READY', 'the model is not loaded', { headers: { 'retry-after': '1' } });
}

function respond(refusal: Refusal): Response {
  return Response.json(errorBody(refusal), { status: refusal.status, headers: refusal.headers });
}
