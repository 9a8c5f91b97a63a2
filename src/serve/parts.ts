/** A server's parts: the model, its queue, what is kept and measured, and the limits of requests. */

import { Turns } from '../turns.ts';
import { type BodyLimits, HeldBytes } from './body.ts';
import { LabelSets } from './label-sets.ts';
import type { LiveModel } from './live-model.ts';
import { type Meter, openMeter } from './metrics.ts';
import { ModelNames } from './names.ts';
import type { FetchPicture } from './pictures.ts';
import { WorkQueue } from './queue.ts';
import type { ServeOptions } from './serve-options.ts';

/** Pictures that are fetched at once: until they are there, what they take is not counted. */
const FETCHES = 8;

export interface Parts {
  readonly model: LiveModel;
  readonly queue: WorkQueue;
  readonly labelSets: LabelSets;
  readonly meter: Meter;
  readonly held: HeldBytes;
  readonly limits: BodyLimits;
  readonly maxPixels: number | undefined;
  /** Once the model is loaded. */
  readonly names: () => ModelNames;
  readonly fetchPicture: FetchPicture | undefined;
}

/** The parts, of which none loads the model yet. */
export async function openParts(model: LiveModel, options: ServeOptions): Promise<Parts> {
  const { maxWait = 5, gather = 2, maxBody = 33_554_432, bodyTimeout = 30, cachedLabels = 20_000 } = options;
  const { maxHeld = 8 * maxBody, maxPixels, fetchPicture, photos } = options;
  const held = new HeldBytes(maxHeld);
  const meter = await openMeter({
    queue: (kind) => queue.length(kind),
    wait: () => queue.wait(),
    held: () => held.bytes,
    labels: () => labelSets.labels,
    model: () => model.alive?.info().memory.total ?? 0,
    replaced: () => model.replaced,
  });
  const queue = new WorkQueue(
    model,
    { maxWait, gather, maxPixels, indexed: photos?.pictures },
    {
      batch(kind, size, seconds, waited) {
        meter.batch(kind, size);
        meter.stage('compute', seconds);
        for (const one of waited) meter.stage('wait', one);
      },
    },
  );
  const labelSets = new LabelSets(queue, cachedLabels);
  const fetches = new Turns(FETCHES);
  let names: ModelNames | undefined;
  return {
    model,
    queue,
    labelSets,
    meter,
    held,
    limits: { maxBody, patience: bodyTimeout * 1000 },
    maxPixels,
    names() {
      names ??= new ModelNames(options.names?.length ? options.names : [model.alive!.info().model]);
      return names;
    },
    fetchPicture: fetchPicture && ((url, signal, maxBytes) => fetches.run(() => fetchPicture(url, signal, maxBytes))),
  };
}
