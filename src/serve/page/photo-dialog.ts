/** The dialog of one photo: the photo itself, the ones before and after it, and photos like it. */
import { get } from './elements.ts';
import { objectUrl } from './requests.ts';

/** A photo, as the server found it. */
export interface FoundPhoto {
  readonly id: number;
  readonly path: string;
  readonly modified: string | null;
  readonly similarity: number;
}

/** A file's name without its folder. */
export const nameOf = (path: string): string => path.split(/[\\/]/).at(-1)!;

const dialog = get<HTMLDialogElement>('photo');
/** What the arrows move in, and where. */
let list: readonly FoundPhoto[] = [];
let current: FoundPhoto | undefined;
let similarTo = (_: FoundPhoto) => {};

/** What to do when photos like one are asked for. */
export function similarAsked(callback: (photo: FoundPhoto) => void): void {
  similarTo = callback;
}

/** Opens the dialog with a photo of a list. */
export function showPhoto(photo: FoundPhoto, photos: readonly FoundPhoto[]): void {
  list = photos;
  void show(photo);
}

async function show(photo: FoundPhoto): Promise<void> {
  current = photo;
  const image = dialog.querySelector('img')!;
  get('photo-name').textContent = nameOf(photo.path);
  const facts = [
    photo.path,
    ...(photo.modified === null ? [] : [new Date(photo.modified).toLocaleDateString()]),
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
  if (photo) void show(photo);
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
  if (photo) similarTo(photo);
});
dialog.addEventListener('close', () => {
  const at = current === undefined ? -1 : list.indexOf(current);
  get('photos').querySelectorAll('button')[at]?.focus();
  current = undefined;
  showImage('');
});
