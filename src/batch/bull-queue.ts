/** A queue that many machines share: BullMQ on Redis, Valkey or PostgreSQL. A job is a shard's place in the plan. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Job, Queue, QueueOptions, RedisQueueBackend, Worker, WorkerOptions } from 'bullmq';
import { ClipError } from '../errors.ts';
import { concurrently } from './concurrent.ts';
import { batchPackage, missingPackage } from './packages.ts';
import { numbered, type ShardPlace } from './plan.ts';
import { ATTEMPTS, type BatchQueue, LOCK_MS, type ShardHandler, type WorkOptions } from './queue.ts';
import { longestPause } from './retries.ts';
import type { ShardResult } from './work.ts';

/** The pause before a failed shard is tried again; each further one is twice as long, up to the most. */
const BACKOFF_MS = 5_000;
const BACKOFF_MOST_MS = 600_000;
/** How often BullMQ itself would try a job: each worker knows its own number. */
const MOST_ATTEMPTS = 1_000_000;
/** How soon an idle worker looks whether other workers still hold shards, which may come back; then twice as long, up to the most. */
const IDLE_MS = 1_000;
const IDLE_MOST_MS = 8_000;
/** A queue that does not answer at the start is an error; later its client comes back by itself. */
const PATIENCE_MS = 10_000;
const CLOSE_MS = 5_000;
/** Jobs that are added by one command. */
const BULK = 1000;

/** The queue whose jobs are batches; nobody takes them. */
const BATCHES = 'edgeclip-batches';

/** A batch that workers of a queue can find. */
export interface QueuedBatch {
  readonly id: string;
  /** A bucket, or the path of a folder that all workers have. */
  readonly output: string;
  /** Of the bucket. Default: as the worker's environment has it. */
  readonly endpoint?: string;
}

/** A shard that was set aside after its last attempt. */
export interface FailedShard {
  readonly part: number;
  readonly reason: string;
}

export interface QueueStatus {
  readonly waiting: number;
  readonly running: number;
  readonly failed: readonly FailedShard[];
}

type Bull = Awaited<ReturnType<typeof batchPackage<'bullmq'>>>;
type ShardJob = Job<ShardPlace, ShardResult>;

export class BullQueue implements BatchQueue {
  readonly #bull: Bull;
  readonly #name: string;
  readonly #options: QueueOptions;
  readonly #backend: readonly unknown[];
  readonly #queue: Queue;
  readonly #place: string;
  readonly #backoffMs: number;
  /** What the client said last. */
  #trouble: Error | undefined;

  private constructor(
    bull: Bull,
    place: string,
    name: string,
    backoffMs: number,
    options: QueueOptions,
    backend: readonly unknown[],
  ) {
    this.#bull = bull;
    this.#backoffMs = backoffMs;
    this.#place = place;
    this.#name = name;
    this.#options = options;
    this.#backend = backend;
    this.#queue = new (bull.Queue as new (...args: unknown[]) => Queue)(name, options, ...backend);
    this.#queue.on('error', (error) => {
      this.#trouble = error; // calls say it
    });
  }

  /**
   * @param url `redis://`, `rediss://` or `postgres://`
   * @param name the queue's: one for each output
   * @param options.backoffMs the pause before a failed shard is tried again. Default 5 s
   * @throws RangeError for another address; ClipError UNSUPPORTED without the packages, IO if nobody answers
   */
  static async open(url: string, name: string, { backoffMs = BACKOFF_MS } = {}): Promise<BullQueue> {
    const bull = await batchPackage('bullmq', 'for --queue');
    const address = /^(rediss?|valkeys?|postgres(?:ql)?):\/\//i.exec(url)?.[1]?.toLowerCase();
    if (address === undefined || !URL.canParse(url)) {
      // Only the scheme is shown: what follows may hold a password.
      throw new RangeError(`expected an address of redis://, rediss:// or postgres://, got one of ${JSON.stringify(url.split(':')[0])}`); // biome-ignore format: one line
    }
    const place = new URL(url).host;
    const isPostgres = address.startsWith('postgres');
    let isOpen = false;
    // At the start nobody there is an error; later the queue may be away for a while.
    const retryStrategy = (times: number) => (isOpen ? Math.min(250 * 2 ** times, 10_000) : times > 3 ? null : 300);
    const connection = isPostgres
      ? { connectionString: url, migrate: true } // BullMQ's own tables, in its own schema
      : { url: url.replace(/^valkey/i, 'redis'), maxRetriesPerRequest: null, retryStrategy };
    const backend = isPostgres ? [bull.createPostgresBackend] : [];
    let queue: BullQueue;
    try {
      queue = new BullQueue(bull, place, name, backoffMs, { connection } as unknown as QueueOptions, backend);
    } catch (cause) {
      throw (
        withoutClient(cause) ??
        new ClipError('UNSUPPORTED', `the queue's client does not start: ${(cause as Error).message}`, { cause })
      );
    }
    await queue.#answers();
    isOpen = true;
    return queue;
  }

  async #answers(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(this.#trouble ?? new Error(`no answer in ${PATIENCE_MS / 1000} seconds`)),
        PATIENCE_MS,
      );
    });
    try {
      await Promise.race([this.#queue.waitUntilReady(), late]);
    } catch (cause) {
      void this.#queue.disconnect().catch(() => {}); // it may wait for a connection
      const reason = (cause as Error).message || 'it does not answer';
      throw withoutClient(cause) ?? new ClipError('IO', `the queue at ${this.#place}: ${reason}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells workers that know only the queue's address of a batch. @throws as `open` */
  static async announce(url: string, batch: QueuedBatch): Promise<void> {
    const batches = await BullQueue.open(url, BATCHES);
    try {
      await batches.#queue.add('batch', batch, { jobId: batch.id });
    } finally {
      await batches.close();
    }
  }

  /** The batches that were announced, the oldest first. @throws as `open` */
  static async announced(url: string): Promise<QueuedBatch[]> {
    const batches = await BullQueue.open(url, BATCHES);
    try {
      const jobs = (await batches.#queue.getJobs(['wait'], 0, -1, true)) as Job<QueuedBatch>[];
      return jobs.map(({ data }) => data);
    } finally {
      await batches.close();
    }
  }

  /**
   * Removes a batch from those that are announced. Its own queue stays.
   * @throws as `open`
   */
  static async unannounce(url: string, id: string): Promise<void> {
    const batches = await BullQueue.open(url, BATCHES);
    try {
      await batches.#queue.remove(id);
    } finally {
      await batches.close();
    }
  }

  /**
   * Adds shards; those that it has, or that are done, stay as they are: a job's name is its part's, and names are unique.
   * @throws ClipError IO
   */
  async add(places: readonly ShardPlace[]): Promise<void> {
    for (let at = 0; at < places.length; at += BULK) {
      const opts = { attempts: MOST_ATTEMPTS, backoff: { type: 'shard' } }; // see `work`
      const jobs = places.slice(at, at + BULK).map((place) => ({
        name: 'shard',
        data: place,
        opts: { jobId: jobId(place.part), ...opts },
      }));
      await this.#queue.addBulk(jobs);
    }
  }

  async work(
    handler: ShardHandler,
    signal: AbortSignal,
    { lockMs = LOCK_MS, attempts = ATTEMPTS, ...events }: WorkOptions = {},
  ): Promise<void> {
    const options: WorkerOptions = {
      ...(this.#options as WorkerOptions),
      connection: await this.#connection(),
      concurrency: 1, // the model's threads share a shard
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: attempts, // once more workers than this have died with it, a shard is set aside
      settings: { backoffStrategy: (made) => (made < attempts ? this.#backoff(made) : -1) }, // -1: it is set aside
    };
    let isBusy = false;
    let idleMs = IDLE_MS;
    const process = async (job: ShardJob, token?: string) => {
      isBusy = true;
      idleMs = IDLE_MS;
      try {
        return await handler(job.data, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        await job.moveToWait(token); // another worker goes on at once
        throw new this.#bull.WaitingError();
      } finally {
        isBusy = false;
      }
    };
    type Constructor = new (...args: unknown[]) => Worker<ShardPlace, ShardResult>;
    const worker = new (this.#bull.Worker as unknown as Constructor)(this.#name, process, options, ...this.#backend);
    worker.on('completed', ({ data }, result) => events.onDone?.(data, result));
    worker.on('failed', (job, error) => {
      if (job) events.onFailed?.(job.data.part, error, job.finishedOn !== undefined);
    });
    worker.on('error', (error) => events.onTrouble?.(error));
    try {
      // A worker that has a shard knows that the queue is not empty: thousands that ask all the same would keep it from its work.
      while (!signal.aborted && (isBusy || !(await this.#isEmpty()))) {
        await pause(isBusy ? IDLE_MS : idleMs, signal);
        if (!isBusy) idleMs = Math.min(2 * idleMs, IDLE_MOST_MS);
      }
    } finally {
      await soon(worker.close());
    }
  }

  /** The pause after so many attempts, of which a half is at random. */
  #backoff(made: number): number {
    const most = longestPause(made, { pauseMs: this.#backoffMs, longestMs: BACKOFF_MOST_MS });
    return Math.ceil(most * (1 - Math.random() / 2));
  }

  /** What a worker shares with the queue; it needs one more, on which it waits for shards. */
  async #connection(): Promise<WorkerOptions['connection']> {
    const backend: { readonly client?: RedisQueueBackend['client'] } = this.#queue.getBackend();
    return (await backend.client) ?? this.#options.connection; // PostgreSQL's have pools of their own
  }

  /** Whether no shard waits or runs, here or elsewhere. While the queue cannot be reached, nobody knows. */
  async #isEmpty(): Promise<boolean> {
    try {
      const counts = await this.#queue.getJobCounts('wait', 'prioritized', 'delayed', 'active');
      return Object.values(counts).every((count) => count === 0);
    } catch {
      return false;
    }
  }

  async status(): Promise<QueueStatus> {
    const { active = 0, ...waiting } = await this.#queue.getJobCounts('wait', 'prioritized', 'delayed', 'active');
    const failed = (await this.#queue.getFailed()) as ShardJob[];
    return {
      waiting: Object.values(waiting).reduce((sum, count) => sum + count, 0),
      running: active,
      failed: failed.map(({ data, failedReason }) => ({ part: data.part, reason: failedReason ?? '' })),
    };
  }

  /**
   * Lets the shards that were set aside be tried again, and those that count as done but have no part.
   * @param lost the shards without a part
   * @returns how many
   */
  async retry(lost: Iterable<ShardPlace>): Promise<number> {
    const failed = await this.#queue.getFailed();
    for (const job of failed) await job.retry('failed', { resetAttemptsMade: true });
    let count = failed.length;
    const again = async (place: ShardPlace): Promise<boolean> => {
      const job = await this.#queue.getJob(jobId(place.part));
      if (!job) await this.add([place]);
      else if (await job.isCompleted()) await job.retry('completed', { resetAttemptsMade: true });
      else return false;
      return true;
    };
    for await (const isAgain of concurrently(lost, again)) if (isAgain) count++;
    return count;
  }

  /**
   * Removes all shards, also those that run: their workers still write their parts.
   * @throws as `add`
   */
  async clear(): Promise<void> {
    await this.#queue.obliterate({ force: true });
    await this.#queue.resume(); // to remove them it was paused
  }

  async close(): Promise<void> {
    await soon(this.#queue.close());
  }
}

/** A client that cannot reach the queue does not end by itself. */
async function soon(closing: Promise<void>): Promise<void> {
  const end = new AbortController();
  await Promise.race([closing.catch(() => {}), pause(CLOSE_MS, end.signal)]);
  end.abort();
}

/** Ends early if the signal is aborted. */
const pause = (ms: number, signal: AbortSignal): Promise<void> => wait(ms, undefined, { signal }).catch(() => {});

const jobId = (part: number): string => `part-${numbered(part)}`;

/** BullMQ brings no client of Redis or PostgreSQL. Undefined for other errors. */
function withoutClient(cause: unknown): ClipError | undefined {
  const [, name] = /could not load the optional '([\w-]+)' package/.exec((cause as Error).message) ?? [];
  return name === undefined ? undefined : missingPackage(name, 'for --queue', cause);
}
