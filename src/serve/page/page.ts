/** The page's script: tabs, search, classification, and the dialog of one photo. */
import { ask, json, keyAsked, objectUrl, useKey } from './requests.ts';

interface FoundPhoto {
  readonly id: number;
  readonly path: string;
  readonly size: number;
  readonly modified: string;
  readonly similarity: number;
}

const get = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;
const nameOf = (path: string): string => path.split(/[\\/]/).at(-1)!;

/** A new element with this text. */
function element<K extends keyof HTMLElementTagNameMap>(name: K, text = '', className = ''): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

/** Says something under a form; what went wrong in another color. */
function say(id: string, text: string, isFault = false): void {
  get(id).textContent = text;
  get(id).classList.toggle('fault', isFault);
}

/** Runs what a form asks for, and says what went wrong. */
async function attempt(where: string, work: () => Promise<void>): Promise<void> {
  say(where, 'Working…');
  try {
    await work();
  } catch (error) {
    say(where, (error as Error).message, true);
  }
}

// Tabs, as the ARIA practices have them: arrows move between them.
const tabs = [...document.querySelectorAll<HTMLButtonElement>('[role=tab]')];
function open(tab: HTMLButtonElement): void {
  for (const one of tabs) {
    const isOpen = one === tab;
    one.setAttribute('aria-selected', String(isOpen));
    one.tabIndex = isOpen ? 0 : -1;
    get(one.getAttribute('aria-controls')!).hidden = !isOpen;
  }
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener('click', () => open(tab));
  tab.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = tabs.filter((one) => !one.hidden).at((i + step) % tabs.length) ?? tab;
    open(next);
    next.focus();
  });
}

/** A place for one picture: chosen, dropped or pasted. */
class Drop {
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

async function base64(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

// Search.
const query = get<HTMLFormElement>('query');
const withoutPhoto = get('without-photo');
const searchDrop = new Drop(
  'search-drop',
  () => void search(),
  (isThere) => {
    withoutPhoto.hidden = !isThere;
  },
);
withoutPhoto.addEventListener('click', () => {
  searchDrop.take(undefined);
  (query.elements.namedItem('text') as HTMLInputElement).focus();
  if (fields().text !== undefined) void search();
});

function fields(): Record<string, unknown> {
  const values = Object.fromEntries(
    [...new FormData(query)].filter(([, value]) => typeof value === 'string' && value !== ''),
  );
  const { least, top, ...others } = values as Record<string, string>;
  return { ...others, ...(least && { least: Number(least) }), top: Number(top ?? 40) };
}

const search = (photo?: number) =>
  attempt('found', async () => {
    const { text, not, ...filters } = fields();
    const image = photo === undefined && searchDrop.file ? await base64(searchDrop.file) : undefined;
    if (photo === undefined && text === undefined && image === undefined) {
      say('found', 'Give words or a photo to search for.');
      return;
    }
    const asked = photo === undefined ? { text, not, image, ...filters } : { photo, ...filters };
    const { photos } = await json<{ photos: FoundPhoto[] }>('search', asked);
    showPhotos(photos);
    say(
      'found',
      photos.length === 0 ? 'No photo was found.' : photos.length === 1 ? '1 photo' : `${photos.length} photos`,
    );
  });

let list: readonly FoundPhoto[] = [];
let shown: string[] = [];
function showPhotos(photos: readonly FoundPhoto[]): void {
  for (const url of shown) URL.revokeObjectURL(url);
  const urls: string[] = [];
  shown = urls;
  list = photos;
  get('photos').replaceChildren(
    ...photos.map((photo) => {
      const button = element('button');
      button.type = 'button';
      const image = element('img');
      image.alt = '';
      whenSeen(button, async () => {
        const url = await objectUrl(`photos/${photo.id}/thumbnail`);
        urls.push(url);
        if (shown === urls) image.src = url;
      });
      button.append(
        image,
        element('span', nameOf(photo.path), 'name'),
        element('span', photo.similarity.toFixed(3), 'score'),
      );
      button.addEventListener('click', () => void showPhoto(photo));
      const item = element('li');
      item.append(button);
      return item;
    }),
  );
}

/** Thumbnails are asked for when they come into view. */
const seen = new WeakMap<Element, () => Promise<void>>();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      seen.get(target)!().catch(() => target.classList.add('missing'));
    }
  },
  { rootMargin: '300px' },
);
function whenSeen(target: Element, work: () => Promise<void>): void {
  seen.set(target, work);
  observer.observe(target);
}

// Arrows move between the photos.
get('photos').addEventListener('keydown', (event) => {
  const buttons = [...get('photos').querySelectorAll('button')];
  const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
  const columns = getComputedStyle(get('photos')).gridTemplateColumns.split(' ').length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const next = step === undefined ? undefined : buttons[at + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

query.addEventListener('submit', (event) => {
  event.preventDefault();
  void search();
});
query.addEventListener('reset', () => {
  searchDrop.take(undefined);
  showPhotos([]);
  say('found', '');
});

// One photo.
const dialog = get<HTMLDialogElement>('photo');
let current: FoundPhoto | undefined;
async function showPhoto(photo: FoundPhoto): Promise<void> {
  current = photo;
  const image = dialog.querySelector('img')!;
  get('photo-name').textContent = nameOf(photo.path);
  const facts = [
    photo.path,
    new Date(photo.modified).toLocaleDateString(),
    `similarity ${photo.similarity.toFixed(3)}`,
  ];
  get('photo-facts').textContent = facts.join(' · ');
  image.alt = nameOf(photo.path);
  showImage('');
  const at = list.indexOf(photo);
  get<HTMLButtonElement>('previous').disabled = at <= 0;
  get<HTMLButtonElement>('next').disabled = at < 0 || at === list.length - 1;
  if (!dialog.open) dialog.showModal();
  try {
    const url = await objectUrl(`photos/${photo.id}`);
    if (current === photo) showImage(url);
    else URL.revokeObjectURL(url);
    // Browsers show fewer kinds of pictures than the model reads: a HEIC is seen by its thumbnail.
    await image.decode().catch(async () => {
      const thumbnail = await objectUrl(`photos/${photo.id}/thumbnail`);
      if (current === photo) showImage(thumbnail);
      else URL.revokeObjectURL(thumbnail);
    });
  } catch (error) {
    if (current === photo) get('photo-facts').textContent = (error as Error).message;
  }
}

/** Puts a picture into the dialog, or none, and lets go of the last one. */
function showImage(url: string): void {
  const image = dialog.querySelector('img')!;
  if (image.src !== '') URL.revokeObjectURL(image.src);
  if (url === '') image.removeAttribute('src');
  else image.src = url;
}

/** The photo before or after this one; the list's own focus goes with it. */
function step(by: number): void {
  const at = current === undefined ? -1 : list.indexOf(current);
  const photo = at < 0 ? undefined : list[at + by];
  if (photo) void showPhoto(photo);
}
get('previous').addEventListener('click', () => step(-1));
get('next').addEventListener('click', () => step(1));
dialog.addEventListener('keydown', (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (by !== undefined) step(by);
});
get('close').addEventListener('click', () => dialog.close());
get('similar').addEventListener('click', () => {
  const photo = current;
  dialog.close();
  if (photo) void search(photo.id);
});
dialog.addEventListener('close', () => {
  const at = current === undefined ? -1 : list.indexOf(current);
  get('photos').querySelectorAll('button')[at]?.focus();
  current = undefined;
  showImage('');
});

// Classify.
const question = get<HTMLFormElement>('question');
const classifyDrop = new Drop('classify-drop', () => void classify());
let labels = ['cat', 'dog', 'person', 'car', 'food', 'landscape'];

function showLabels(): void {
  get('labels').replaceChildren(
    ...labels.map((label) => {
      const button = element('button', `${label} ×`);
      button.type = 'button';
      button.setAttribute('aria-label', `Remove ${label}`);
      button.addEventListener('click', () => {
        labels = labels.filter((one) => one !== label);
        showLabels();
        labelInput.focus();
      });
      const item = element('li');
      item.append(button);
      return item;
    }),
  );
}

const labelInput = question.elements.namedItem('label') as HTMLInputElement;
function addLabels(): void {
  const added = labelInput.value.split(',').map((label) => label.trim());
  labels = [...new Set([...labels, ...added.filter((label) => label !== '')])];
  labelInput.value = '';
  showLabels();
}
get('add-label').addEventListener('click', addLabels);
labelInput.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  addLabels();
});

const classify = () =>
  attempt('said', async () => {
    if (labelInput.value !== '') addLabels();
    const { file } = classifyDrop;
    if (!file || labels.length === 0) {
      say('said', file ? 'Add a label.' : 'Choose a photo.');
      return;
    }
    const body = new FormData();
    body.append('inputs', file);
    for (const label of labels) body.append('candidate_labels', label);
    if (labels.length === 1) body.append('candidate_labels', 'something else');
    body.append('hypothesis_template', (question.elements.namedItem('template') as HTMLInputElement).value);
    const ranked = (await (await ask('classify', { method: 'POST', body })).json()) as {
      label: string;
      score: number;
    }[];
    get('bars').replaceChildren(
      ...ranked.map(({ label, score }) => {
        const item = element('li');
        const bar = element('progress');
        bar.value = score;
        bar.setAttribute('aria-label', label);
        item.append(element('span', label), bar, element('span', `${(100 * score).toFixed(1)} %`, 'score'));
        return item;
      }),
    );
    say('said', `${ranked[0]!.label}: ${(100 * ranked[0]!.score).toFixed(1)} %`);
  });
question.addEventListener('submit', (event) => {
  event.preventDefault();
  void classify();
});

document.addEventListener('paste', (event) => {
  const [file] = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith('image/'));
  if (file) [searchDrop, classifyDrop].find((drop) => drop.isVisible)?.take(file);
});

// `/` goes to the words, as in other programs.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || document.activeElement instanceof HTMLInputElement || dialog.open) return;
  event.preventDefault();
  open(tabs[0]!);
  (query.elements.namedItem('text') as HTMLInputElement).focus();
});

/** What the server has; without an index there is nothing to search. */
async function begin(): Promise<void> {
  const { model, photos } = (await (await ask('site.json')).json()) as { model: string; photos: number | null };
  get('about').textContent = photos === null ? model : `${photos.toLocaleString()} photos, ${model}`;
  tabs[0]!.hidden = photos === null;
  if (photos === null) open(tabs[1]!);
}

const key = get<HTMLFormElement>('key');
keyAsked(() => {
  key.hidden = false;
});
key.addEventListener('submit', (event) => {
  event.preventDefault();
  useKey(String(new FormData(key).get('key')));
  key.hidden = true;
  void attempt('found', begin).then(() => say('found', ''));
});

showLabels();
begin().catch((error) => say('found', error.message, true));
