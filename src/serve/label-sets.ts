/** Classifiers of label sets that were asked for lately: their texts are embedded once. */
import { Classifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { untilAborted } from '../scheduler.ts';
import type { WorkQueue } from './queue.ts';

/** A set that is there or being made. */
interface Entry {
  readonly classifier: Promise<Classifier>;
  readonly stop: AbortController;
  readonly labels: number;
  /** Requests that wait for it. */
  users: number;
  done: boolean;
}

export class LabelSets {
  readonly #queue: WorkQueue;
  readonly #most: number;
  readonly #entries = new Map<string, Entry>();
  #labels = 0;

  /** @param most labels of all sets together that are kept */
  constructor(queue: WorkQueue, most: number) {
    this.#queue = queue;
    this.#most = most;
  }

  /** Labels of all sets. */
  get labels(): number {
    return this.#labels;
  }

  /**
   * The classifier of these labels in this template.
   * @throws ClipError TEMPLATE; what the queue throws; the signal's reason
   */
  async get(clip: Clip, labels: readonly string[], template: string, signal: AbortSignal): Promise<Classifier> {
    const key = JSON.stringify([template, labels]);
    const entry = this.#entries.get(key) ?? this.#make(key, clip, labels, template);
    // The newest is last, and the first is let go.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#evict(entry);
    entry.users++;
    try {
      return await untilAborted(entry.classifier, signal);
    } finally {
      entry.users--;
      if (entry.users === 0 && !entry.done) {
        this.#drop(key, entry);
        entry.stop.abort(); // nobody waits for it any more
      }
    }
  }

  #make(key: string, clip: Clip, labels: readonly string[], template: string): Entry {
    const stop = new AbortController();
    const queue = this.#queue;
    // The texts go through the queue, with those of other requests.
    const model = {
      config: clip.config,
      logitScale: clip.logitScale,
      info: () => clip.info(),
      encodeImages: clip.encodeImages.bind(clip),
      encodeText: async (texts: readonly string[]) =>
        (await queue.texts(texts, stop.signal)).map(({ embedding }) => embedding),
    };
    const classifier = Classifier.fromClasses(model, labels, { templates: [template] });
    const entry: Entry = { classifier, stop, labels: labels.length, users: 0, done: false };
    this.#labels += labels.length;
    classifier.then(
      () => {
        entry.done = true;
      },
      () => this.#drop(key, entry),
    );
    return entry;
  }

  #evict(keep: Entry): void {
    for (const [key, entry] of this.#entries) {
      if (this.#labels <= this.#most) return;
      if (entry !== keep && entry.users === 0) this.#drop(key, entry);
    }
    if (this.#labels > this.#most && keep.labels > this.#most) this.#forgetWhenDone(keep);
  }

  /** A set that is larger than all that may be kept serves its own request. */
  #forgetWhenDone(entry: Entry): void {
    const forget = () => {
      for (const [key, one] of this.#entries) if (one === entry) this.#drop(key, entry);
    };
    entry.classifier.then(forget, forget);
  }

  #drop(key: string, entry: Entry): void {
    if (this.#entries.get(key) !== entry) return;
    this.#entries.delete(key);
    this.#labels -= entry.labels;
  }
}
