/** The page's script: what its parts have in common, keys that work everywhere, and how it begins. */
import { classifyDrop } from './classify-tab.ts';
import { attempt, get, say } from './elements.ts';
import { ask, keyAsked, useKey } from './requests.ts';
import { searchDrop, toWords } from './search-tab.ts';
import { open, tabs } from './tabs.ts';

document.addEventListener('paste', (event) => {
  const [file] = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith('image/'));
  if (file) [searchDrop, classifyDrop].find((drop) => drop.isVisible)?.take(file);
});

// `/` goes to the words, as in other programs.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || document.activeElement instanceof HTMLInputElement || get<HTMLDialogElement>('photo').open)
    return;
  event.preventDefault();
  open(tabs[0]!);
  toWords();
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
  void attempt('found', async () => {
    await begin();
    say('found', '');
  });
});

begin().catch((error) => say('found', error.message, true));
