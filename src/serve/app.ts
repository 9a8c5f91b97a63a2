/** The server as a function from a request to its answer, for any runtime: routes, and what they have in common. */
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import type { Clip } from '../clip.ts';
import { checkOptions, kindOf } from '../options.ts';
import { ApiKey, checkLocalName } from './access.ts';
import { checkCoding, parseJson, readBody } from './body.ts';
import { classify } from './classify.ts';
import { embeddings } from './embeddings.ts';
import { type Exchange, modelOf, notReady, timed } from './exchange.ts';
import { predict } from './immich.ts';
import { LiveModel, type LoadModel } from './live-model.ts';
import { errorFields, requestId } from './log.ts';
import { describeServer } from './openapi.ts';
import { descriptionPage, styleHash } from './openapi-page.ts';
import { openParts, type Parts } from './parts.ts';
import { errorBody, Refusal, refusalOf } from './refusal.ts';
import { photosOf, search } from './search.ts';
import { SERVE_OPTIONS, type ServeOptions } from './serve-options.ts';
import { addSite, OPEN_FILES } from './site-routes.ts';

/** What keeps a Worker's request alive until a promise is settled. */
export interface WaitingContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** A server without its sockets. */
export interface App {
  /**
   * Answers a request. What runtimes give with it may be passed on: of Workers' `context` it uses `waitUntil`, as their work
   * otherwise ends with the request.
   */
  readonly fetch: (request: Request, environment?: unknown, context?: WaitingContext) => Promise<Response>;
  /** Resolves when the model is loaded and measured. @throws what loading throws */
  ready(): Promise<void>;
  /** Takes no more work; resolves when all that was begun is answered, and disposes of a model that it has loaded. */
  close(): Promise<void>;
}

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
const OPEN: ReadonlySet<string> = new Set([...OPEN_FILES, '/health', '/ready', '/ping', '/docs', '/openapi.json']);

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
  checkOptions('createApp', options, SERVE_OPTIONS);
  const given = typeof model === 'function' ? undefined : model;
  if (given !== undefined && typeof given?.encodeImages !== 'function') {
    throw new TypeError(`createApp: expected a model or a function that loads one, got ${kindOf(model)}`);
  }
  const live = new LiveModel(given ? async () => given : (model as LoadModel));
  return new Server(live, options, given === undefined).app;
}

/** What comes with a request. */
interface Bound {
  Bindings: { readonly context: WaitingContext | undefined };
}

class Server {
  readonly app: App;
  readonly #model: LiveModel;
  readonly #options: ServeOptions;
  readonly #parts: Promise<Parts>;
  readonly #key: ApiKey | undefined;
  readonly #started = Math.floor(Date.now() / 1000);
  #ready: Promise<void> | undefined;
  #isReady = false;
  #active = 0;
  #closing: { readonly idle: Promise<void>; resolve(): void } | undefined;

  constructor(model: LiveModel, options: ServeOptions, isOwner: boolean) {
    this.#model = model;
    this.#options = options;
    this.#key = options.apiKey === undefined ? undefined : new ApiKey(options.apiKey);
    this.#parts = openParts(model, options);
    const hono = this.#routes();
    this.app = {
      fetch: async (request, _environment, context) => hono.fetch(request, { context }),
      ready: () => this.#warmUp(),
      close: async () => {
        await this.#close();
        if (isOwner) model.dispose();
      },
    };
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

  #routes(): Hono<Bound> {
    const hono = new Hono<Bound>();
    const { cors: origins, site, photos } = this.#options;
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
      if (this.#isReady && this.#model.alive) return c.json({ status: 'ready' });
      // Who asks may send no work before the answer is yes.
      const loading = this.#warm()
        .then(modelOf)
        .catch(() => {});
      c.env.context?.waitUntil(loading);
      throw notReady();
    });
    hono.get('/metrics', async () => {
      const { type, text } = await (await this.#parts).meter.report();
      return new Response(text, { headers: { 'content-type': type } });
    });
    const modelObject = (id: string) => ({ id, object: 'model', created: this.#started, owned_by: 'edgeclip' });
    hono.get('/v1/models', async (c) => {
      return c.json({ object: 'list', data: [modelObject((await this.#warm()).names().id)] });
    });
    hono.get('/v1/models/:id{.+}', async (c) => {
      const names = (await this.#warm()).names();
      names.check(c.req.param('id'));
      return c.json(modelObject(names.id));
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
      this.#work(c.req.raw, (parts, exchange, body) => search(parts, exchange, photosOf(photos), parseJson(body))),
    );
    addSite(hono, { site, photos, model: async () => (await this.#warm()).names().id });

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

  /** Reads a request's body and answers it. */
  async #work(
    request: Request,
    answer: (parts: Parts, exchange: Exchange, body: Uint8Array) => Promise<Response>,
  ): Promise<Response> {
    this.#checkOpen();
    checkCoding(request);
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
      throw notReady(error);
    }
    return this.#parts;
  }

  #checkOpen(): void {
    if (!this.#closing) return;
    throw new Refusal(503, 'CLOSING', 'the server is ending', { headers: { 'retry-after': '1', connection: 'close' } });
  }
}

function respond(refusal: Refusal): Response {
  return Response.json(errorBody(refusal), { status: refusal.status, headers: refusal.headers });
}
