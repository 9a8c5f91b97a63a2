/** An EfficientNet-Lite small enough for tests: what `referenceEfficientNet` and `towersOf` need of it. */
import type { PreprocessConfig } from '../../src/image/preprocess-config.ts';
import type { ClipConfig, EfficientNetConfig } from '../../src/model/config.ts';
import { syntheticPicture } from './golden.ts';
import { parseConfig } from './parse-config.ts';

/** @param stages its inverted residuals; the stem before them has 8 channels, the head after them 40 */
export function smallEfficientNet(stages: EfficientNetConfig['stages']) {
  const vision: EfficientNetConfig = {
    kind: 'efficientnet-lite',
    imageSize: 32,
    stem: 8,
    stages,
    head: 40,
    bnEps: 1e-3,
    projectionBias: true,
  };
  const { text } = parseConfig({
    embed_dim: 12,
    vision_cfg: { width: 64, layers: 1, patch_size: 8, image_size: 16 },
    text_cfg: { width: 64, heads: 8, layers: 1 },
  });
  const config: ClipConfig = { embedDim: 12, vision, text: text!, source: 'openclip' };
  // 510 mean is whole, so that padding with zeros is exact; no two channels are alike.
  const normalization = { mean: [0.5, 0.4, 0.3], std: [0.5, 0.25, 0.2] };
  const preprocess = { size: 32, crop: 'openclip', ...normalization } as unknown as PreprocessConfig;
  return { vision, config, normalization, preprocess, picture: syntheticPicture(32).data };
}
