/** What a photo index says of itself, as texts by key in a table of its database. */
import { ClipError } from '../errors.ts';
import { type IndexModel, indexModel } from './index-model.ts';
import type { NewPhotoStore, PictureOptions } from './photo-store.ts';

export interface About {
  readonly model: IndexModel;
  readonly dimension: number;
  readonly pictures: PictureOptions;
}

export const aboutEntries = ({ model, dimension, pictures }: NewPhotoStore): Record<keyof About, string> => ({
  model: JSON.stringify(indexModel(model)),
  dimension: String(dimension),
  pictures: JSON.stringify(pictures),
});

/** @throws ClipError INDEX_FORMAT */
export function aboutOf(name: string, values: ReadonlyMap<string, string>): About {
  try {
    const dimension = Number(values.get('dimension'));
    if (!Number.isInteger(dimension) || dimension < 1) throw new Error('no dimension');
    const pictures = JSON.parse(values.get('pictures')!) as PictureOptions;
    return { model: indexModel(JSON.parse(values.get('model')!)), dimension, pictures };
  } catch (cause) {
    throw new ClipError('INDEX_FORMAT', `"${name}" does not say which model made it: ${(cause as Error).message}`, {
      cause,
    });
  }
}
