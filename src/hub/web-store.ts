/**
 * What was fetched, kept by the Cache API: each entry with the SHA-256 of its bytes, so that one that a full disk or a program
 * damaged is found when it is read. An entry is there as a whole or not at all.
 */
import { sha256 } from './web-digest.ts';

const CHECKSUM = 'x-edgeclip-sha256';

export class Store {
  /** Missing on pages without https, and in some runtimes: then nothing is kept. */
  readonly #cache: Cache | undefined;
  readonly #damaged = new Set<string>();

  private constructor(cache: Cache | undefined) {
    this.#cache = cache;
  }

  static async open(name: string): Promise<Store> {
    return new Store(await globalThis.caches?.open(name).catch(() => undefined));
  }

  /** The bytes of an entry; undefined if there is none. A damaged one goes away. */
  async get(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const kept = await this.#cache?.match(key).catch(() => undefined);
    if (!kept) return undefined;
    const bytes = await kept.arrayBuffer().then((buffer) => new Uint8Array(buffer), () => undefined); // biome-ignore format: one line
    if (bytes && (await sha256(bytes)) === kept.headers.get(CHECKSUM)) return bytes;
    this.#damaged.add(key);
    await this.delete(key);
    return undefined;
  }

  /** Whether an entry was there, and damaged. */
  wasDamaged = (key: string): boolean => this.#damaged.has(key);

  /** Keeps bytes, if there is space. */
  async put(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.#cache) return;
    // Some runtimes keep only what says how long it is good.
    const headers = { [CHECKSUM]: await sha256(bytes), 'cache-control': 'public, max-age=31536000, immutable' };
    await this.#cache.put(key, new Response(bytes, { headers })).catch(() => {});
  }

  async delete(key: string): Promise<void> {
    await this.#cache?.delete(key).catch(() => {});
  }
}
