/** Photos that were found, as one HTML file that needs nothing else: no script, no server, no other file. */
import { pathToFileURL } from 'node:url';
import { isBucket } from '../batch/storage.ts';
import type { Clip } from '../clip.ts';
import { toPath } from '../file-name.ts';
import { htmlText } from '../html.ts';
import type { PhotoMatch, PhotoStore } from '../search/index.ts';
import { isAddress } from '../search/photo-file.ts';
import { visible } from './failure.ts';
import { fileInput } from './inputs.ts';
import { thumbnail } from './thumbnail.ts';

export interface Found {
  /** What was asked for, in words. */
  readonly asked: string;
  readonly found: readonly PhotoMatch[];
  readonly clip: Clip;
  readonly store: PhotoStore;
}

/** The page. A photo that cannot be read any more is shown by name alone. */
export async function photoPage({ asked, found, clip, store }: Found): Promise<string> {
  const figures: string[] = [];
  for (const { path, similarity } of found) {
    const preview = await thumbnail(clip, fileInput(path, () => {}).read, store.pictures);
    const image = preview
      ? `<img src="${preview}" alt="" width="112" height="112">`
      : '<span class="none">no preview</span>';
    const href = address(path);
    const shown = href === undefined ? image : `<a href="${htmlText(href)}">${image}</a>`;
    figures.push(
      `<figure>${shown}<figcaption><b>${similarity.toFixed(4)}</b> <span>${htmlText(visible(path))}</span></figcaption></figure>`,
    );
  }
  const none = '<p>The index has no photos.</p>';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${htmlText(asked)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${htmlText(asked)}</h1>
<p>${found.length} of ${await store.count()} photos in ${htmlText(visible(store.name))}, best first; numbers are cosines.</p>
${figures.length > 0 ? `<main>\n${figures.join('\n')}\n</main>` : none}
</body>
</html>
`;
}

/** Where a browser finds a photo; undefined in a bucket, whose `s3://` no browser opens. `batch load` adds addresses as paths. */
function address(path: string): string | undefined {
  if (isAddress(path)) return isBucket(path) ? undefined : path;
  const bytes = toPath(path);
  if (typeof bytes === 'string') return pathToFileURL(bytes).href;
  const encoded = (byte: string) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  return `file://${bytes.toString('latin1').replace(/[^\w/.~-]/g, encoded)}`;
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
figure { margin: 0; }
img, .none { display: grid; place-items: center; width: 112px; height: 112px; border-radius: 6px; background: #8883; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; }`;
