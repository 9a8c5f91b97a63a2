/** Names under which a server's model is asked for. */
import { Refusal } from './refusal.ts';

export class ModelNames {
  readonly id: string;
  readonly #names: ReadonlySet<string>;

  /** @param names at least one; the others are e.g. what a client cannot change */
  constructor(names: readonly string[]) {
    this.id = names[0]!;
    this.#names = new Set(names.map(folded));
  }

  /**
   * Vectors of two models do not mix, so another model's name is refused.
   * @throws Refusal 404
   */
  check(name: string | undefined, param = 'model'): void {
    if (name === undefined || this.#names.has(folded(name))) return;
    const message = `this server has the model ${JSON.stringify(this.id)}, not ${JSON.stringify(name.slice(0, 200))}`;
    throw new Refusal(404, 'model_not_found', message, { param });
  }
}

/** OpenCLIP's `ViT-B-32/openai` is `ViT-B-32__openai` for immich, and `ViT-B-32::openai` in some programs. */
function folded(name: string): string {
  return name.replace(/__|::/g, '/').toLowerCase();
}
