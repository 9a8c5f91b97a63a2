/**
 * Requests to a hub. Redirects are followed here, so that the token stays with the hub: files lie at other origins, whose
 * addresses are signed. Statuses become errors that say what to do; what may pass is tried again.
 */
import { ClipError } from '../errors.ts';
import { fetchReason } from '../fetch-reason.ts';
import type { HubAccess } from './access.ts';

/** How often a request is sent if the answer may be another one later, and the pause before the second, which doubles each time. */
export const RETRY = { attempts: 4, pauseMs: 300 };
/** A server may ask for a longer pause than this, in seconds; then it is the caller who should come back. */
const LONGEST_PAUSE_S = 30;
/** A server that sends nothing for so long is taken as gone. */
const SILENCE_MS = 60_000;
const MAX_REDIRECTS = 8;

export interface HubRequest {
  /** What messages call it: the model's name. */
  readonly model: string;
  readonly url: string;
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** What messages call the server, if it is not a hub. */
  readonly server?: string;
  /** Statuses that the caller wants to see. */
  readonly expected?: readonly number[];
  readonly attempts?: number;
}

/** An answer whose body ends with an error if nothing comes for a minute. */
export interface HubAnswer {
  readonly response: Response;
  /** Headers of the hub's own answers, redirects included: the file's server knows neither commit nor checksum. */
  readonly hub: Headers;
  /** Puts off the end of waiting; to be called when bytes came. */
  alive(): void;
  /** Ends the request. */
  close(): void;
}

/** A request that was refused or not answered. */
export class HubError extends ClipError {
  /** 0 if no answer came. */
  readonly status: number;
  constructor(status: number, message: string, options?: ErrorOptions) {
    super('IO', message, options);
    this.status = status;
  }
}

/**
 * Sends a request, again if that may help.
 * @throws HubError; the signal's reason if aborted
 */
export async function send(access: HubAccess, request: HubRequest): Promise<HubAnswer> {
  const attempts = request.attempts ?? access.attempts ?? RETRY.attempts;
  for (let attempt = 1; ; attempt++) {
    access.signal?.throwIfAborted();
    let error: HubError;
    let wait = RETRY.pauseMs * 2 ** (attempt - 1);
    try {
      const answer = await follow(access, request);
      const { response } = answer;
      if (response.ok || request.expected?.includes(response.status)) return answer;
      await discard(answer);
      error = refusal(access, request, answer, attempt);
      const asked = retryAfter(response.headers);
      if (!isPassing(response.status) || (asked ?? 0) > LONGEST_PAUSE_S) throw error;
      if (asked !== undefined) wait = asked * 1000;
    } catch (cause) {
      access.signal?.throwIfAborted();
      if (cause instanceof ClipError) throw cause;
      error = unreachable(request, cause);
    }
    if (attempt >= attempts) throw error;
    await pause(wait, access.signal);
  }
}

/** Gives up an answer. */
export async function discard({ response, close }: HubAnswer): Promise<void> {
  await response.body?.cancel().catch(() => {});
  close();
}

/** Whether this is a browser, which shows no redirect; it follows them itself, without the token where the origin changes. */
let hiddenRedirects = false;

/** One request with its redirects. */
async function follow(access: HubAccess, { url, method, headers }: HubRequest): Promise<HubAnswer> {
  const origin = new URL(access.endpoint).origin;
  const hub = new Headers();
  let address = new URL(url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const own = address.origin === origin;
    const waiting = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => waiting.abort(new Error(`nothing came for ${SILENCE_MS / 1000} seconds`)), SILENCE_MS);
      (timer as { unref?(): void }).unref?.();
    };
    const stop = () => waiting.abort(access.signal?.reason);
    const close = () => {
      clearTimeout(timer);
      access.signal?.removeEventListener('abort', stop);
    };
    access.signal?.addEventListener('abort', stop);
    alive();
    const options = {
      method: method ?? 'GET',
      headers: { ...headers, ...(own && access.token !== undefined && { authorization: `Bearer ${access.token}` }) },
      signal: waiting.signal,
    };
    const fetch = access.fetch;
    let response: Response;
    try {
      response = await fetch(address.href, { ...options, redirect: hiddenRedirects ? 'follow' : 'manual' });
      if (response.type === 'opaqueredirect') {
        hiddenRedirects = true;
        response = await fetch(address.href, { ...options, redirect: 'follow' });
      }
    } catch (error) {
      close();
      throw waiting.signal.aborted ? waiting.signal.reason : error;
    }
    if (own) for (const [name, value] of response.headers) hub.set(name, value);
    const location = [301, 302, 303, 307, 308].includes(response.status) && response.headers.get('location');
    if (!location) return { response, hub, alive, close };
    await discard({ response, hub, alive, close });
    address = new URL(location, address);
    if (!/^https?:$/.test(address.protocol)) throw new Error(`a redirect leads to ${address.protocol}`);
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`);
}

/** Whether another attempt may find another answer. */
export const isPassing = (status: number): boolean => [408, 429, 500, 502, 503, 504].includes(status);

/** Seconds that the server asks to wait: a number or a date (RFC 9110, 10.2.3). */
export function retryAfter(headers: Headers): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text.trim()) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}

function refusal(
  access: HubAccess,
  { model, url, server = 'the hub' }: HubRequest,
  { response, hub }: HubAnswer,
  attempt: number,
): HubError {
  const { status } = response;
  const name = JSON.stringify(model);
  const host = new URL(access.endpoint).host;
  const code = hub.get('x-error-code');
  const has = access.token !== undefined;
  const give = has ? 'the token given may not read it' : 'give a token: accessToken, or HF_TOKEN';
  const gated = `${name} is gated: accept its terms at ${access.endpoint}/${model.replace(/@.*/, '')}, and ${has ? 'use a token of that account' : give}`;
  const after = retryAfter(response.headers);
  const times = attempt > 1 ? `, ${attempt} times` : '';
  const because = (text: string) => new HubError(status, `${text} (${host}: status ${status}${times})`);
  if (code === 'GatedRepo') return because(gated);
  switch (status) {
    case 401:
      return because(`${server} shows no model ${name}: check the name; if it is private, ${has ? 'the token is not valid or may not read it' : give}`); // biome-ignore format: one line
    case 403:
      return because(`${server} forbids reading ${name}: ${give}`);
    case 404:
    case 410:
      if (code === 'RevisionNotFound') return because(`${server} has no revision ${JSON.stringify(revisionOf(model))} of ${JSON.stringify(model.replace(/@.*/, ''))}`); // biome-ignore format: one line
      if (code === 'EntryNotFound') return because(`${name} has no file ${JSON.stringify(url.replace(/^.*\//, ''))}`);
      return because(`${server} has no model ${name}`);
    case 429:
      return because(`${server} limits how often it is asked: try again ${after === undefined ? 'later' : `in ${after} seconds`}${has ? '' : '; with a token (HF_TOKEN) it allows more'}`); // biome-ignore format: one line
    default:
      if (status >= 500) return because(`${server} is out of order, try again later: cannot get ${name}`);
      return because(`cannot get ${name}`);
  }
}

const revisionOf = (model: string): string => /@(.*)/s.exec(model)?.[1] ?? 'main';

function unreachable({ model, url }: HubRequest, cause: unknown): HubError {
  return new HubError(0, `cannot get ${JSON.stringify(model)}: ${new URL(url).host} cannot be reached: ${fetchReason(cause)}`, { cause }); // biome-ignore format: one line
}

/** @throws the signal's reason if aborted */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
  signal?.throwIfAborted();
}
