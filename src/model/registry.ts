/** Which tower a configuration describes. A new image tower is a file and an entry here. */

import { ClipError } from '../errors.ts';
import { type ClipConfig, configTowers, type Tower, type VisionConfig } from './config.ts';
import { efficientNet } from './efficientnet.ts';
import { resNet } from './resnet.ts';
import type { TowerSlot } from './slots.ts';
import { textTransformer } from './text-transformer.ts';
import type { ImageTower } from './tower.ts';
import { visionTransformer } from './vision-transformer.ts';

type Kind = VisionConfig['kind'];

/** The image towers by the configuration's `kind`. */
const IMAGE_TOWERS: {
  readonly [K in Kind]: (config: Extract<VisionConfig, { kind: K }>, embedDim: number) => ImageTower;
} = {
  vit: visionTransformer,
  resnet: resNet,
  'efficientnet-lite': efficientNet,
};

/** @throws ClipError WEIGHTS_MISSING if the model has no image tower */
export function imageTower({ vision, embedDim }: ClipConfig): ImageTower {
  if (!vision) throw noTower('image');
  const define = IMAGE_TOWERS[vision.kind] as (config: VisionConfig, embedDim: number) => ImageTower;
  return define(vision, embedDim);
}

/** @throws ClipError WEIGHTS_MISSING if the model has no text tower */
export function textTower({ vision, text, embedDim, refused }: ClipConfig) {
  if (!text) throw noTower('text');
  return textTransformer(text, embedDim, vision !== undefined || refused?.image !== undefined);
}

const noTower = (tower: Tower) => new ClipError('WEIGHTS_MISSING', `the model has no ${tower} tower`);

export const towerOf = (config: ClipConfig, tower: Tower) =>
  tower === 'image' ? imageTower(config) : textTower(config);

/**
 * Checks what the kernels require of the sizes.
 * @throws ClipError CONFIG
 */
export function checkTowers(config: ClipConfig): void {
  for (const tower of configTowers(config)) towerOf(config, tower).check();
}

/** The weights of one tower in the order in which its graph reads them. */
export const towerSlots = (config: ClipConfig, tower: Tower): TowerSlot[] => towerOf(config, tower).slots();
