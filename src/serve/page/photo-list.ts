/** The photos that were found, with their thumbnails. */
import { element, get } from './elements.ts';
import { type FoundPhoto, nameOf, showPhoto } from './photo-dialog.ts';
import { objectUrl } from './requests.ts';

let shown: string[] = [];

export function showPhotos(photos: readonly FoundPhoto[]): void {
  for (const url of shown) URL.revokeObjectURL(url);
  const urls: string[] = [];
  shown = urls;
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
      button.addEventListener('click', () => showPhoto(photo, photos));
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
