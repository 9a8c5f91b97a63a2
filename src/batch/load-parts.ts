/** The parts of a batch become photos of an index, in the same tables that `edgeclip index` makes. */
import type { PhotoStore } from '../search/photo-store.ts';
import { type LoadCounts, LoadedPictures } from './loaded-pictures.ts';
import { checkPart, partKeys, partRows, readWhole } from './part-reader.ts';
import { picturePlace } from './picture-place.ts';
import { type Plan, shardChecks } from './plan.ts';
import { plannedParts } from './planned-parts.ts';
import type { Storage } from './storage.ts';

export interface LoadPartsOptions {
  /** What has made the parts. */
  readonly maker: string;
  /** Whether pictures are added whose files are gone. */
  readonly includeGone: boolean;
  readonly onPart?: (done: number, total: number) => void;
}

/**
 * Adds the pictures of all parts that are there, each thousand together or not at all. What the index has already stays, so that a run
 * that was stopped goes on, and a batch that has grown can be loaded again. The index's paths are held meanwhile.
 * @returns what became of the pictures, and the number of shards without a part
 * @throws ClipError IO, PLAN_FORMAT if a part is damaged
 */
export async function loadParts(
  output: Storage,
  before: Plan,
  store: PhotoStore,
  { maker, includeGone, onPart }: LoadPartsOptions,
): Promise<{ readonly counts: LoadCounts; readonly missing: number }> {
  const { plan, parts } = await plannedParts(output, before);
  const pictures = new LoadedPictures(plan, await store.photos(), { includeGone });
  const shards = await shardChecks(output, plan);
  for (const [i, part] of parts.entries()) {
    onPart?.(i, parts.length);
    const summary = await checkPart(output, { head: plan.head, maker, shard: shards[part.part] }, part);
    const bytes = await readWhole(output, part, summary);
    const file = part.files.at(-1)!;
    // A tar file may have a name twice: the later member counts, as when it is extracted.
    const places = (await partKeys(output, file, bytes)).map((key) => picturePlace(plan.head, key));
    const last = new Map(places.map((place, i) => [place, i]));
    let row = 0;
    for await (const rows of partRows(output, file, bytes)) {
      const first = row;
      row += rows.length;
      await pictures.store(rows.filter((_, i) => last.get(places[first + i]!) === first + i), store); // biome-ignore format: one step
    }
  }
  return { counts: pictures.counts, missing: plan.shards - parts.length };
}
