/**
 * The work of all requests, in the order in which it came. What waits is put together: pictures one to a thread, texts into
 * one call, whose equal beginnings the model computes once. The bits of every result are those of a lone call (clip.ts), and
 * a failure stays with the item that has it.
 *
 *     request a   t t t t t t ..|            turns: some of a, all of b, the next of a, ..
 *     request b   t|                         so that a long request does not hold up a short one
 *
 * How long work would wait is measured, not counted: what goes before it times the seconds that such items took lately. Of a
 * request that waits, as many items go before another one as that has itself, so that a long request refuses short ones no place.
 */
import type { Clip } from '../clip.ts';
import type { PictureOptions } from '../search/photo-store.ts';
import { type Embedded, type Group, type Job, type Kind, Lane, type Outcome } from './lane.ts';
import type { LiveModel } from './live-model.ts';
import { Refusal } from './refusal.ts';

export interface QueueOptions {
  /** Requests are refused when new work would wait longer, in seconds. */
  readonly maxWait: number;
  /** How long the first item waits for others to be computed with it, in ms. */
  readonly gather: number;
  /** Pixels of a picture; the model's limit if it is not given. */
  readonly maxPixels: number | undefined;
  /** How the pictures of the index are prepared, if there is one. */
  readonly indexed: PictureOptions | undefined;
}

/** What the queue tells of its work. */
export interface QueueEvents {
  /** A batch was computed; `waited` is how long each of its items had waited, in seconds. */
  batch(kind: Kind, size: number, seconds: number, waited: readonly number[]): void;
}

/** Pictures in one call for each thread: the second is in the worker when the first is done. */
const PICTURES_A_THREAD = 2;

/** Texts in one call at most, and at least: enough for shared beginnings. */
const TEXTS_TOGETHER = 256;
const LEAST_TEXTS = 8;

/** Seconds after which others have their turn: with large models a call has fewer texts. */
const TURN = 0.25;

export class WorkQueue {
  readonly #model: LiveModel;
  readonly #options: QueueOptions;
  readonly #events: QueueEvents;
  readonly #pictures: Lane<Uint8Array>;
  readonly #texts: Lane<string>;
  /** Pictures that are compared with those of the index, and prepared as these are. */
  readonly #queries: Lane<Uint8Array>;
  /** The lane whose turn is next is the first with work. */
  readonly #lanes: Lane<unknown>[];
  #running: { readonly since: number; readonly seconds: number } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(model: LiveModel, options: QueueOptions, events: QueueEvents) {
    this.#model = model;
    this.#options = options;
    this.#events = events;
    const { maxPixels, indexed } = options;
    const pictures = (how: Pick<PictureOptions, 'orient' | 'scaled'>) =>
      new Lane<Uint8Array>('pictures', (clip, items) => embedPictures(clip, items, { ...how, maxPixels }));
    this.#pictures = pictures(AS_THEY_ARE);
    this.#queries = indexed?.orient || indexed?.scaled ? pictures(indexed) : this.#pictures;
    this.#texts = new Lane('texts', embedTexts);
    this.#lanes = [...new Set([this.#pictures, this.#queries, this.#texts])] as Lane<unknown>[];
  }

  /** Items that wait. */
  length(kind: Kind): number {
    return this.#lanes.reduce((sum, lane) => sum + (lane.kind === kind ? lane.waiting : 0), 0);
  }

  /** Seconds for which work that comes now would wait for others, by how many items it has. */
  wait(items = 1): number {
    const now = performance.now() / 1000;
    const running = this.#running ? Math.max(0, this.#running.seconds - (now - this.#running.since)) : 0;
    return this.#lanes.reduce((sum, lane) => sum + lane.before(items), running);
  }

  /** @throws Refusal 429 if work of so many items would wait too long */
  admit(items = 1): void {
    const wait = this.wait(items);
    const { maxWait } = this.#options;
    if (wait <= maxWait) return;
    const retryAfter = String(Math.max(1, Math.ceil(wait - maxWait)));
    const message = `the server is busy: work would wait for ${wait.toFixed(1)} seconds, the limit is ${maxWait}`;
    throw new Refusal(429, 'OVERLOADED', message, { headers: { 'retry-after': retryAfter } });
  }

  /**
   * Embeds pictures, in order.
   * @throws Refusal 429; ItemError for the first picture that fails; the signal's reason
   */
  pictures(items: readonly Uint8Array[], signal?: AbortSignal): Promise<Embedded[]> {
    return this.#add(this.#pictures, items, signal);
  }

  /** Embeds pictures as those of the index were embedded. @throws as `pictures` */
  queries(items: readonly Uint8Array[], signal?: AbortSignal): Promise<Embedded[]> {
    return this.#add(this.#queries, items, signal);
  }

  /** Embeds texts, in order. @throws as `pictures` */
  texts(items: readonly string[], signal?: AbortSignal): Promise<Embedded[]> {
    return this.#add(this.#texts, items, signal);
  }

  /** Loads the model, and measures it with a picture and a text. */
  async warmUp(): Promise<void> {
    const clip = await this.#model.clip();
    const { towers, text } = clip.info();
    for (const _ of [1, 2]) {
      // The first is slower, as code is compiled.
      for (const lane of this.#lanes) lane.seconds = 0;
      if (towers.includes('image')) await this.pictures([grayPicture()]);
      this.#queries.seconds = this.#pictures.seconds;
      if (towers.includes('text') && text?.tokenizer) await this.texts(['a photo of a cat']);
    }
  }

  async #add<I>(lane: Lane<I>, items: readonly I[], signal: AbortSignal | undefined): Promise<Embedded[]> {
    signal?.throwIfAborted();
    if (items.length === 0) return [];
    this.admit(items.length);
    return new Promise((resolve, reject) => {
      const group: Group<I> = {
        items,
        results: new Array(items.length),
        since: performance.now(),
        signal,
        next: 0,
        ended: false,
        left: items.length,
        resolve: (results) => end(() => resolve(results)),
        reject: (error) => end(() => reject(error)),
      };
      const aborted = () => group.reject(signal!.reason);
      const end = (settle: () => void) => {
        if (group.ended) return;
        group.ended = true;
        lane.drop(group);
        signal?.removeEventListener('abort', aborted);
        settle();
      };
      signal?.addEventListener('abort', aborted, { once: true });
      lane.add(group);
      this.#schedule();
    });
  }

  /** Begins a batch at once if it is full, or after the time for others to come. */
  #schedule(): void {
    if (this.#running) return;
    const isFull = this.length('pictures') >= this.#threads || this.#texts.waiting >= TEXTS_TOGETHER;
    if (isFull) {
      void this.#run();
    } else {
      this.#timer ??= setTimeout(() => void this.#run(), this.#options.gather);
    }
  }

  get #threads(): number {
    return this.#model.alive?.info().threads.count ?? 1;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running) return;
    const turn = this.#lanes.findIndex(({ waiting }) => waiting > 0);
    if (turn < 0) return;
    const [lane] = this.#lanes.splice(turn, 1) as [Lane<unknown>];
    this.#lanes.push(lane);
    const jobs = lane.take(lane.kind === 'pictures' ? this.#threads * PICTURES_A_THREAD : textsOfTurn(lane.seconds));
    const since = performance.now();
    this.#running = { since: since / 1000, seconds: jobs.length * lane.seconds };
    const { replaced } = this.#model;
    try {
      await this.#compute(lane, jobs);
    } finally {
      const seconds = (performance.now() - since) / 1000;
      if (this.#model.replaced === replaced) lane.measure(seconds, jobs.length); // loading is not an item's time
      const waited = jobs.map(({ group }) => (since - group.since) / 1000);
      this.#running = undefined;
      this.#events.batch(lane.kind, jobs.length, seconds, waited);
      // Work that has waited meanwhile begins at once.
      void this.#run();
    }
  }

  async #compute<I>(lane: Lane<I>, jobs: readonly Job<I>[]): Promise<void> {
    const outcomes = await this.#attempt(lane, jobs);
    for (const [i, job] of jobs.entries()) {
      let outcome = outcomes[i]!;
      // The batch failed as a whole, or the model died with it. One of the items may be why, so each is tried once more alone.
      const isShared = outcome.status === 'rejected' && (isLost(outcome.reason) || lane.kind === 'texts');
      if (isShared && !job.group.ended) {
        outcome = (await this.#attempt(lane, [job]))[0]!;
      }
      settle(job, outcome);
    }
  }

  async #attempt<I>(lane: Lane<I>, jobs: readonly Job<I>[]): Promise<Outcome[]> {
    try {
      const clip = await this.#model.clip();
      return await lane.compute(
        clip,
        jobs.map(({ group, at }) => group.items[at]!),
      );
    } catch (reason) {
      return jobs.map(() => ({ status: 'rejected', reason }));
    }
  }
}

/** What went wrong with an item, and which one of its request it is. */
export class ItemError extends Error {
  override readonly name = 'ItemError';
  readonly index: number;

  constructor(index: number, cause: unknown) {
    super((cause as Error | undefined)?.message, { cause });
    this.index = index;
  }
}

function settle<I>({ group, at }: Job<I>, outcome: Outcome): void {
  if (outcome.status === 'rejected') {
    group.reject(new ItemError(at, outcome.reason));
  } else {
    group.results[at] = outcome.value;
    if (--group.left === 0) group.resolve(group.results);
  }
}

function isLost(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === 'WORKER' || code === 'DISPOSED';
}

/** How many texts are computed together, by the seconds that one takes. */
const textsOfTurn = (seconds: number): number =>
  seconds === 0 ? TEXTS_TOGETHER : Math.max(LEAST_TEXTS, Math.min(TEXTS_TOGETHER, Math.floor(TURN / seconds)));

const AS_THEY_ARE = { orient: false, scaled: false };

async function embedPictures(
  clip: Clip,
  items: readonly Uint8Array[],
  { orient, scaled, maxPixels }: Pick<PictureOptions, 'orient' | 'scaled'> & Pick<QueueOptions, 'maxPixels'>,
): Promise<Outcome[]> {
  const results = await clip.encodeImage(items, { settled: true, maxPixels, orient, scaled });
  return results.map((result) =>
    result.status === 'fulfilled' ? { ...result, value: { embedding: result.value, tokens: 0 } } : result,
  );
}

async function embedTexts(clip: Clip, items: readonly string[]): Promise<Outcome[]> {
  let counts: readonly number[] = [];
  const onTokens = (found: readonly number[]) => {
    counts = found;
  };
  const embeddings = await clip.encodeText(items, { onTokens });
  return embeddings.map((embedding, i) => ({ status: 'fulfilled', value: { embedding, tokens: counts[i]! } }));
}

/** A gray PNG of 1 x 1 pixel. */
function grayPicture(): Uint8Array {
  const hex =
    '89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55' +
    '0000000a4944415478da6368000000820081da45083b0000000049454e44ae426082';
  return Uint8Array.from(hex.match(/../g)!, (digits) => Number.parseInt(digits, 16));
}
