/**
 * Which tower a configuration describes. A new image tower is a file and an entry here. The code of the embedded model's image
 * tower is there from the start; that of the others is loaded when a model has them.
 */

import { ClipError } from '../errors.ts';
import type { ClipConfig, Tower, VisionConfig } from './config.ts';
import { efficientNet } from './efficientnet.ts';
import type { TowerSlot } from './slots.ts';
import type { TextTower } from './text-transformer.ts';
import type { ImageTower } from './tower.ts';

type Kind = VisionConfig['kind'];

/** The image towers by the configuration's `kind`. */
const IMAGE_TOWERS: {
  readonly [K in Kind]: (config: Extract<VisionConfig, { kind: K }>, embedDim: number) => Promise<ImageTower>;
} = {
  vit: async (...sizes) => (await import('./vision-transformer.ts')).visionTransformer(...sizes),
  resnet: async (...sizes) => (await import('./resnet.ts')).resNet(...sizes),
  'efficientnet-lite': async (...sizes) => efficientNet(...sizes),
};

/** @throws ClipError WEIGHTS_MISSING if the model has no image tower */
export async function imageTower({ vision, embedDim }: ClipConfig): Promise<ImageTower> {
  if (!vision) throw noTower('image');
  const define = IMAGE_TOWERS[vision.kind] as (config: VisionConfig, embedDim: number) => Promise<ImageTower>;
  return define(vision, embedDim);
}

/** @throws ClipError WEIGHTS_MISSING if the model has no text tower */
export async function textTower({ vision, text, embedDim, refused }: ClipConfig): Promise<TextTower> {
  if (!text) throw noTower('text');
  const { textTransformer } = await import('./text-transformer.ts');
  return textTransformer(text, embedDim, vision !== undefined || refused?.image !== undefined);
}

const noTower = (tower: Tower) => new ClipError('WEIGHTS_MISSING', `the model has no ${tower} tower`);

export const towerOf = (config: ClipConfig, tower: Tower): Promise<ImageTower | TextTower> =>
  tower === 'image' ? imageTower(config) : textTower(config);

/** The weights of one tower in the order in which its graph reads them. */
export const towerSlots = async (config: ClipConfig, tower: Tower): Promise<TowerSlot[]> =>
  (await towerOf(config, tower)).slots();
