/** BullMQ's queues on Redis, Valkey or PostgreSQL, opened by the server's address. */
import type { Queue, QueueOptions } from 'bullmq';
import { ClipError } from '../errors.ts';
import { batchPackage, missingPackage } from './packages.ts';
import { checkQueueAddress } from './queue-address.ts';
import { longestPause, type Pauses, pause } from './retries.ts';

/** A queue that does not answer at the start is an error; later its client comes back by itself. */
const PATIENCE_MS = 10_000;
const CLOSE_MS = 5_000;
/** Before the client connects again. */
const PAUSES: Pauses = { pauseMs: 500, longestMs: 10_000 };

type Bull = Awaited<ReturnType<typeof batchPackage<'bullmq'>>>;

/** A queue that is open, and what its workers are made with. */
export interface BullConnection {
  readonly bull: Bull;
  readonly queue: Queue;
  readonly options: QueueOptions;
  /** Arguments behind the options. */
  readonly backend: readonly unknown[];
}

/**
 * @param url `redis://`, `rediss://` or `postgres://`
 * @param name the queue's
 * @throws RangeError for another address; ClipError UNSUPPORTED without the packages, IO if nobody answers
 */
export async function connectBull(url: string, name: string): Promise<BullConnection> {
  checkQueueAddress(url);
  const bull = await batchPackage('bullmq', 'for --queue');
  const isPostgres = /^postgres/i.test(url);
  let isOpen = false;
  // At the start nobody there is an error; later the queue may be away for a while.
  const retryStrategy = (times: number) => (isOpen ? longestPause(times, PAUSES) : times > 3 ? null : 300);
  const connection = isPostgres
    ? { connectionString: url, migrate: true } // BullMQ's own tables, in its own schema
    : { url: url.replace(/^valkey/i, 'redis'), maxRetriesPerRequest: null, retryStrategy };
  const options = { connection } as unknown as QueueOptions;
  const backend = isPostgres ? [bull.createPostgresBackend] : [];
  let queue: Queue;
  try {
    queue = new (bull.Queue as new (...args: unknown[]) => Queue)(name, options, ...backend);
  } catch (cause) {
    throw (
      withoutClient(cause) ??
      new ClipError('UNSUPPORTED', `the queue's client does not start: ${(cause as Error).message}`, { cause })
    );
  }
  await answers(queue, new URL(url).host);
  isOpen = true;
  return { bull, queue, options, backend };
}

/** Waits for the server, and says why it does not answer. */
async function answers(queue: Queue, place: string): Promise<void> {
  let trouble: Error | undefined;
  queue.on('error', (error) => {
    trouble = error; // without a listener it would end the process; calls say it
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(trouble ?? new Error(`no answer in ${PATIENCE_MS / 1000} seconds`)), PATIENCE_MS);
  });
  try {
    await Promise.race([queue.waitUntilReady(), late]);
  } catch (cause) {
    void queue.disconnect().catch(() => {}); // it may wait for a connection
    const reason = (cause as Error).message || 'it does not answer';
    throw withoutClient(cause) ?? new ClipError('IO', `the queue at ${place}: ${reason}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** A client that cannot reach the queue does not end by itself. */
export async function soon(closing: Promise<void>): Promise<void> {
  const end = new AbortController();
  await Promise.race([closing.catch(() => {}), pause(CLOSE_MS, end.signal)]);
  end.abort();
}

/** BullMQ brings no client of Redis or PostgreSQL. Undefined for other errors. */
function withoutClient(cause: unknown): ClipError | undefined {
  const [, name] = /could not load the optional '([\w-]+)' package/.exec((cause as Error).message) ?? [];
  return name === undefined ? undefined : missingPackage(name, 'for --queue', cause);
}
