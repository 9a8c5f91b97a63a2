/** The model of a server: loaded once, and again whenever its worker has died. */
import type { Clip } from '../clip.ts';

/** Gets the model, e.g. `() => loadClip()` of `edgeclip/worker`. */
export type LoadModel = () => Promise<Clip>;

export class LiveModel {
  readonly #load: LoadModel;
  #loading: Promise<Clip> | undefined;
  #clip: Clip | undefined;
  #ended = false;
  /** How often it was loaded again. */
  replaced = 0;

  constructor(load: LoadModel) {
    this.#load = load;
  }

  /** The model if it is there and alive. */
  get alive(): Clip | undefined {
    return this.#clip && isAlive(this.#clip) ? this.#clip : undefined;
  }

  /** The model, loaded if it is not there or has died. @throws what loading throws; the next call tries again */
  clip(): Promise<Clip> {
    if (this.alive) return Promise.resolve(this.#clip!);
    if (this.#clip) {
      this.#clip.dispose();
      this.#clip = undefined;
      this.replaced++;
    }
    this.#loading ??= this.#load()
      .then((clip) => {
        this.#clip = clip;
        if (this.#ended) clip.dispose();
        return clip;
      })
      .finally(() => {
        this.#loading = undefined;
      });
    return this.#loading;
  }

  dispose(): void {
    this.#ended = true;
    this.#clip?.dispose();
  }
}

function isAlive(clip: Clip): boolean {
  try {
    clip.info();
    return true;
  } catch {
    return false;
  }
}
