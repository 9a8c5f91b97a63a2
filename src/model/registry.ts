/** Which tower a configuration describes. A new image tower is a file and an entry here. */

import { type ClipConfig, configTowers, type Tower, type VisionConfig } from './config.ts';
import { efficientNet } from './efficientnet.ts';
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
  'efficientnet-lite': efficientNet,
};

/** For a configuration with an image tower. */
export function imageTower({ vision, embedDim }: ClipConfig): ImageTower {
  const define = IMAGE_TOWERS[vision!.kind] as (config: VisionConfig, embedDim: number) => ImageTower;
  return define(vision!, embedDim);
}

/** For a configuration with a text tower. */
export const textTower = ({ text, embedDim }: ClipConfig) => textTransformer(text!, embedDim);

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
