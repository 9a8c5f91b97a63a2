/** Small pictures for a report, as the tower sees them, inside the page. */
import type { Clip } from '../clip.ts';
import { preprocess } from '../image/preprocess.ts';
import { png } from '../png-file.ts';

/** Side in pixels. */
const SIDE = 112;

/** A picture's crop as a `data:` address; undefined if it cannot be read any more. */
export async function thumbnail(
  clip: Clip,
  read: () => Promise<Uint8Array>,
  options: { readonly orient: boolean },
): Promise<string | undefined> {
  try {
    const { data } = await preprocess(await read(), { ...clip.preprocess, size: SIDE }, options);
    return `data:image/png;base64,${Buffer.from(png(data, SIDE, SIDE)).toString('base64')}`;
  } catch {
    return undefined;
  }
}
