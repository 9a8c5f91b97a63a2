/** The tab that searches, by words and by a photo. */
import { base64, Drop } from './drop.ts';
import { attempt, get, say } from './elements.ts';
import { type FoundPhoto, similarAsked } from './photo-dialog.ts';
import { showPhotos } from './photo-list.ts';
import { json } from './requests.ts';

const query = get<HTMLFormElement>('query');
const withoutPhoto = get('without-photo');
export const searchDrop = new Drop(
  'search-drop',
  () => void search(),
  (isThere) => {
    withoutPhoto.hidden = !isThere;
  },
);
withoutPhoto.addEventListener('click', () => {
  searchDrop.take(undefined);
  toWords();
  if (fields().text !== undefined) void search();
});

function fields(): Record<string, unknown> {
  const values = Object.fromEntries(
    [...new FormData(query)].filter(([, value]) => typeof value === 'string' && value !== ''),
  );
  const { least, top, ...others } = values as Record<string, string>;
  return { ...others, ...(least && { least: Number(least) }), top: Number(top ?? 40) };
}

/** @param photo what is searched for instead of what the form has */
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

similarAsked(({ id }) => void search(id));
query.addEventListener('submit', (event) => {
  event.preventDefault();
  void search();
});
query.addEventListener('reset', () => {
  searchDrop.take(undefined);
  showPhotos([]);
  say('found', '');
});

/** Puts the cursor into the field of the words. */
export function toWords(): void {
  (query.elements.namedItem('text') as HTMLInputElement).focus();
}
