/** What every open photo index has, whichever its database is: what it says of itself, and what is checked against that. */
import { ClipError } from '../errors.ts';
import type { About } from './about.ts';
import { checkIndexModel, type IndexModel, type IndexModelInput, indexModel } from './index-model.ts';
import type { NewPhotoStore, PictureOptions } from './photo-store.ts';
import { checkPictures } from './pictures.ts';

export abstract class OpenIndex {
  readonly name: string;
  readonly model: IndexModel;
  readonly dimension: number;
  readonly pictures: PictureOptions;

  constructor(name: string, { model, dimension, pictures }: About) {
    this.name = name;
    this.model = model;
    this.dimension = dimension;
    this.pictures = pictures;
  }

  checkModel(model: IndexModelInput): void {
    checkIndexModel(`"${this.name}"`, this.model, indexModel(model));
  }
}

/** @throws ClipError INDEX_MODEL if an index that is there is of another model or with pictures prepared in another way */
export function checkSameIndex(name: string, about: About, create: NewPhotoStore | undefined): void {
  if (!create) return;
  checkIndexModel(`"${name}"`, about.model, indexModel(create.model));
  checkPictures(`"${name}"`, about.pictures, create.pictures);
}

export const openedForReading = (name: string): ClipError =>
  new ClipError('IO', `"${name}" was opened for reading only`);
