/** The towers of a model by themselves: planned, filled and ready to encode, without the public API around them. */
import type { Precision } from '../../src/engine/arithmetic.ts';
import { compiledKernels } from '../../src/engine/compiled.ts';
import { Engine } from '../../src/engine/engine.ts';
import { instantiateKernels } from '../../src/engine/kernels.ts';
import type { PreprocessConfig } from '../../src/image/preprocess-config.ts';
import type { ClipConfig, Tower } from '../../src/model/config.ts';
import { planModel } from '../../src/model/plan.ts';
import { openTower } from '../../src/weights/open-tower.ts';
import type { Source } from '../../src/weights/source.ts';
import type { TowerFile } from '../../src/weights/tower-file.ts';

export async function towersOf(
  source: Source,
  config: ClipConfig,
  preprocess: PreprocessConfig,
  { precision = 'f32', towers = ['image', 'text'], whole = false }: TowersOptions = {},
) {
  const opened: Partial<Record<Tower, TowerFile>> = {};
  for (const tower of towers) opened[tower] = await openTower(source, config, tower, precision, preprocess);
  const { plan, places, scratch, image, text } = await planModel({
    config,
    preprocess,
    precision,
    opened,
    threads: 1,
    whole,
  });
  const memory = plan.allocate();
  const kernels = instantiateKernels(await compiledKernels('simd'), memory);
  const engine = new Engine(memory, kernels, precision, scratch.at);
  const weights = async (tower: Tower) => {
    const { layout, fill } = opened[tower]!;
    await fill(engine.bytes.subarray(places[tower]!, places[tower]! + layout.byteLength));
    return layout.at(places[tower]!);
  };
  return {
    engine,
    image: image?.(await weights('image'), engine),
    text: text?.(await weights('text'), engine),
  };
}

export interface TowersOptions {
  precision?: Precision;
  towers?: readonly Tower[];
  whole?: boolean;
}
