/** What a route knows of the server and of its request. */
import type { Classifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import type { HeldAccount } from './body.ts';
import type { Embedded } from './lane.ts';
import type { Stage } from './metrics.ts';
import type { Parts } from './parts.ts';
import { ItemError } from './queue.ts';
import { Refusal, refusalOf } from './refusal.ts';

/** One request. */
export interface Exchange {
  readonly signal: AbortSignal;
  readonly account: HeldAccount;
}

/** @param cause why the model could not be loaded; without one, it is being loaded */
export function notReady(cause?: unknown): Refusal {
  const message = cause === undefined ? 'the model is being loaded' : 'the model cannot be loaded; the log says why';
  return new Refusal(503, 'NOT_READY', message, { headers: { 'retry-after': '1' }, cause });
}

/** The model. @throws Refusal 503 if it cannot be loaded */
export async function modelOf({ model }: Parts): Promise<Clip> {
  try {
    return await model.clip();
  } catch (error) {
    throw notReady(error);
  }
}

/** @throws Refusal 400 for a tower that the model does not have */
export function checkTower(clip: Clip, tower: 'image' | 'text', param: string): void {
  const { towers, text, model } = clip.info();
  if (towers.includes(tower) && (tower === 'image' || text?.tokenizer)) return;
  const what = tower === 'image' ? 'image tower' : 'text tower with a tokenizer';
  throw new Refusal(400, 'TOWER_NOT_LOADED', `${JSON.stringify(model)} has no ${what}`, { param });
}

/** Runs work and records how long it took. */
export async function timed<T>({ meter }: Parts, stage: Stage, work: () => Promise<T> | T): Promise<T> {
  const since = performance.now();
  try {
    return await work();
  } finally {
    meter.stage(stage, (performance.now() - since) / 1000);
  }
}

/**
 * What the queue gives, with its failure named by the place in the request.
 * @param paramOf where the i-th of the items stands
 */
export async function placed(work: Promise<Embedded[]>, paramOf: (index: number) => string): Promise<Embedded[]> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof ItemError ? located(error, paramOf(error.index)) : error;
  }
}

function located(error: ItemError, param: string): unknown {
  const { status, code, message, headers } = refusalOf(error.cause, param);
  if (status >= 500) return error.cause;
  return new Refusal(status, code, `${param}: ${message}`, { param, headers });
}

/** The classifier of labels. */
export async function classifierOf(
  parts: Parts,
  clip: Clip,
  labels: readonly string[],
  template: string,
  signal: AbortSignal,
): Promise<Classifier> {
  try {
    return await parts.labelSets.get(clip, labels, template, signal);
  } catch (error) {
    throw error instanceof ItemError ? (error.cause as Error) : error;
  }
}

/** Gets a picture by its address. @throws Refusal 400 where addresses are not allowed */
export function fetcher(
  parts: Parts,
  { signal, account }: Exchange,
  param: string,
): (url: string) => Promise<Uint8Array> {
  return async (url) => {
    if (!parts.fetchPicture) {
      const message = 'addresses are not fetched by this server (edgeclip serve --allow-urls HOST): send the bytes';
      throw new Refusal(400, 'URL_NOT_ALLOWED', message, { param });
    }
    const bytes = await timed(parts, 'fetch', () => parts.fetchPicture!(url, signal, parts.limits.maxBody));
    account.take(bytes.length);
    return bytes;
  };
}
