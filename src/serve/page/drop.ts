/** A place for one picture: chosen, dropped or pasted. */
import { get } from './elements.ts';

export class Drop {
  file: File | undefined;
  readonly #label: HTMLLabelElement;
  readonly #image: HTMLImageElement;
  readonly #changed: () => void;
  readonly #shown: (isThere: boolean) => void;

  constructor(id: string, changed: () => void, shown: (isThere: boolean) => void = () => {}) {
    this.#label = get(id);
    this.#image = this.#label.querySelector('img')!;
    this.#changed = changed;
    this.#shown = shown;
    const input = this.#label.querySelector('input')!;
    input.addEventListener('change', () => this.take(input.files?.[0]));
    for (const name of ['dragover', 'dragleave', 'drop'] as const) {
      this.#label.addEventListener(name, (event) => {
        event.preventDefault();
        this.#label.classList.toggle('over', name === 'dragover');
        if (name === 'drop') this.take(event.dataTransfer?.files[0]);
      });
    }
  }

  take(file: File | undefined): void {
    this.file = file;
    this.#shown(file !== undefined);
    if (this.#image.src !== '') URL.revokeObjectURL(this.#image.src);
    this.#image.removeAttribute('src');
    this.#image.hidden = !file;
    if (!file) this.#label.querySelector('input')!.value = '';
    if (!file) return;
    this.#image.src = URL.createObjectURL(file);
    this.#changed();
  }

  get isVisible(): boolean {
    return this.#label.offsetParent !== null;
  }
}

/** A file's bytes, as JSON takes them. */
export async function base64(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
