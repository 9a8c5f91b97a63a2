/** Measurements for Prometheus, by the optional peer prom-client: without it they are not kept, and `GET /metrics` says so. */
import { Refusal } from './refusal.ts';

/** The stages of a request. */
export type Stage = 'body' | 'parse' | 'fetch' | 'wait' | 'compute' | 'rank' | 'answer';

/** What is read when the measurements are asked for. */
export interface Gauges {
  queue(kind: 'pictures' | 'texts'): number;
  /** Seconds that new work would wait. */
  wait(): number;
  /** Bytes of requests that are held. */
  held(): number;
  labels(): number;
  /** Bytes of the model's memory. */
  model(): number;
  replaced(): number;
}

export interface Meter {
  stage(stage: Stage, seconds: number): void;
  batch(kind: 'pictures' | 'texts', size: number): void;
  request(route: string, status: number, seconds: number): void;
  /** The measurements as text. @throws Refusal 501 without prom-client */
  report(): Promise<{ readonly type: string; readonly text: string }>;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Keeps measurements if prom-client is installed. */
export async function openMeter(gauges: Gauges): Promise<Meter> {
  let client: typeof import('prom-client');
  try {
    client = await import('prom-client');
  } catch {
    return silent;
  }
  const { Registry, Histogram, Gauge } = client;
  const registry = new Registry();
  const registers = [registry];
  const stages = new Histogram({
    name: 'edgeclip_stage_seconds',
    help: 'Time of a stage of a request: its body, its parts, the wait in the queue, the model, ranking, the answer.',
    labelNames: ['stage'],
    buckets: SECONDS,
    registers,
  });
  const requests = new Histogram({
    name: 'edgeclip_request_seconds',
    help: 'Time from the head of a request to its answer.',
    labelNames: ['route', 'status'],
    buckets: SECONDS,
    registers,
  });
  const batches = new Histogram({
    name: 'edgeclip_batch_size',
    help: 'Pictures or texts that were computed together.',
    labelNames: ['kind'],
    buckets: SIZES,
    registers,
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  new Gauge({
    name: 'edgeclip_queue_length',
    help: 'Pictures or texts that wait.',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const kind of ['pictures', 'texts'] as const) this.set({ kind }, gauges.queue(kind));
    },
  });
  gauge('edgeclip_queue_wait_seconds', 'How long new work would wait.', gauges.wait);
  gauge('edgeclip_held_bytes', 'Bytes of the requests that are being answered.', gauges.held);
  gauge('edgeclip_cached_labels', 'Labels whose vectors are kept.', gauges.labels);
  gauge('edgeclip_model_bytes', "The model's memory.", gauges.model);
  gauge(
    'edgeclip_models_replaced',
    'How often the model was loaded again because its worker had died.',
    gauges.replaced,
  );
  const { process } = globalThis as { process?: { memoryUsage?(): { rss: number; heapUsed: number } } };
  if (process?.memoryUsage) {
    gauge('edgeclip_resident_bytes', "The process's resident memory.", () => process.memoryUsage!().rss);
    gauge('edgeclip_heap_bytes', 'JavaScript objects in use.', () => process.memoryUsage!().heapUsed);
  }
  return {
    stage: (stage, seconds) => stages.observe({ stage }, seconds),
    batch: (kind, size) => batches.observe({ kind }, size),
    request: (route, status, seconds) => requests.observe({ route, status: String(status) }, seconds),
    report: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}

const silent: Meter = {
  stage() {},
  batch() {},
  request() {},
  async report() {
    throw new Refusal(
      501,
      'UNSUPPORTED',
      'measurements need prom-client, in Node, Deno or Bun: npm install prom-client',
    );
  },
};
