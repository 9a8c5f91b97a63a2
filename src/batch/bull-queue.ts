/** A queue that many machines share: BullMQ on Redis, Valkey or PostgreSQL. A job is a shard's place in the plan. */
import type { Job, RedisQueueBackend, Worker, WorkerOptions } from 'bullmq';
import { type BullConnection, connectBull, soon } from './bull-connection.ts';
import { concurrently } from './concurrent.ts';
import { numbered, type ShardPlace } from './plan.ts';
import { ATTEMPTS, type BatchQueue, LOCK_MS, type ShardHandler, type WorkOptions } from './queue.ts';
import type { FailedShard, QueuedShards, ShardState } from './queued-shards.ts';
import { longestPause, pause } from './retries.ts';
import type { ShardResult } from './work.ts';

/** The pause before a failed shard is tried again; each further one is twice as long, up to the most. */
const BACKOFF_MS = 5_000;
const BACKOFF_MOST_MS = 600_000;
/** How often BullMQ itself would try a job: each worker knows its own number. */
const MOST_ATTEMPTS = 1_000_000;
/** How soon an idle worker looks whether other workers still hold shards, which may come back; then twice as long, up to the most. */
const IDLE_MS = 1_000;
const IDLE_MOST_MS = 8_000;
/** Jobs that are added by one command. */
const BULK = 1000;
/** Shards done whose times are asked for. */
const RECENT = 1000;

/** Where BullMQ keeps the jobs that no worker has begun. */
const WAITING = ['wait', 'prioritized', 'delayed'] as const;

export interface QueueStatus {
  readonly waiting: number;
  readonly running: number;
  readonly failed: readonly FailedShard[];
}

type ShardJob = Job<ShardPlace, ShardResult>;

export class BullQueue implements BatchQueue {
  readonly #connection: BullConnection;
  readonly #backoffMs: number;

  private constructor(connection: BullConnection, backoffMs: number) {
    this.#connection = connection;
    this.#backoffMs = backoffMs;
  }

  /**
   * @param url `redis://`, `rediss://` or `postgres://`
   * @param name the queue's: one for each output
   * @param options.backoffMs the pause before a failed shard is tried again. Default 5 s
   * @throws as `connectBull`
   */
  static async open(url: string, name: string, { backoffMs = BACKOFF_MS } = {}): Promise<BullQueue> {
    return new BullQueue(await connectBull(url, name), backoffMs);
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
      await this.#connection.queue.addBulk(jobs);
    }
  }

  async work(
    handler: ShardHandler,
    signal: AbortSignal,
    { lockMs = LOCK_MS, attempts = ATTEMPTS, ...events }: WorkOptions = {},
  ): Promise<void> {
    const { bull, queue, backend } = this.#connection;
    const options: WorkerOptions = {
      ...(this.#connection.options as WorkerOptions),
      connection: await this.#shared(),
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
        throw new bull.WaitingError();
      } finally {
        isBusy = false;
      }
    };
    type Constructor = new (...args: unknown[]) => Worker<ShardPlace, ShardResult>;
    const worker = new (bull.Worker as unknown as Constructor)(queue.name, process, options, ...backend);
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
  async #shared(): Promise<WorkerOptions['connection']> {
    const { queue, options } = this.#connection;
    const backend: { readonly client?: RedisQueueBackend['client'] } = queue.getBackend();
    return (await backend.client) ?? options.connection; // PostgreSQL's have pools of their own
  }

  /** Whether no shard waits or runs, here or elsewhere. While the queue cannot be reached, nobody knows. */
  async #isEmpty(): Promise<boolean> {
    try {
      const counts = await this.#connection.queue.getJobCounts(...WAITING, 'active');
      return Object.values(counts).every((count) => count === 0);
    } catch {
      return false;
    }
  }

  async status(): Promise<QueueStatus> {
    const { active = 0, ...waiting } = await this.#connection.queue.getJobCounts(...WAITING, 'active');
    return {
      waiting: Object.values(waiting).reduce((sum, count) => sum + count, 0),
      running: active,
      failed: await this.#failed(),
    };
  }

  /** Which shards it has. */
  async shards(): Promise<QueuedShards> {
    const shards = new Map<number, ShardState>();
    // Shards change their state between the questions. One that went back to a state already asked for is there the second time.
    for (let look = 0; look < 2; look++) for await (const [part, state] of this.#look()) shards.set(part, state);
    const completed = (await this.#connection.queue.getCompleted(0, RECENT - 1)) as ShardJob[];
    return {
      shards,
      done: completed.flatMap(
        ({ returnvalue, processedOn: start, finishedOn: end }) =>
        start === undefined || end === undefined || returnvalue.wasThere ? [] : [{ pictures: returnvalue.pictures, start, end }], // biome-ignore format: one line
      ),
    };
  }

  async *#look(): AsyncGenerator<[part: number, state: ShardState]> {
    const { queue } = this.#connection;
    for (const id of await queue.getRanges([...WAITING], 0, -1)) yield [partOf(id), { state: 'waiting' }];
    for (const { data, processedOn } of (await queue.getActive()) as ShardJob[])
      yield [data.part, { state: 'running', start: processedOn ?? Date.now() }];
    for (const { part, reason } of await this.#failed()) yield [part, { state: 'failed', reason }];
  }

  async #failed(): Promise<FailedShard[]> {
    const failed = (await this.#connection.queue.getFailed()) as ShardJob[];
    return failed.map(({ data, failedReason }) => ({ part: data.part, reason: failedReason ?? '' }));
  }

  /**
   * Lets the shards that were set aside be tried again, and those that count as done but have no part.
   * @param lost the shards without a part
   * @returns how many
   */
  async retry(lost: Iterable<ShardPlace>): Promise<number> {
    const failed = await this.#connection.queue.getFailed();
    for (const job of failed) await job.retry('failed', { resetAttemptsMade: true });
    let count = failed.length;
    const again = async (place: ShardPlace): Promise<boolean> => {
      const job = await this.#connection.queue.getJob(jobId(place.part));
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
    await this.#connection.queue.obliterate({ force: true });
    await this.#connection.queue.resume(); // to remove them it was paused
  }

  async close(): Promise<void> {
    await soon(this.#connection.queue.close());
  }
}

const jobId = (part: number): string => `part-${numbered(part)}`;

const partOf = (id: string): number => Number(id.slice('part-'.length));
