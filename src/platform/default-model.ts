/** The model inside the package: four files, each found in its own way by each platform. */
import type { ModelFiles, Source } from '../weights/source.ts';

/** What `clip.info().model` says of it. */
export const DEFAULT_MODEL = 'edgeclip default model';

export interface DefaultModel {
  /** `open_clip_config.json`. */
  config(): Promise<string>;
  /** `tokenizer.json`. */
  tokenizer(): Promise<string>;
  /** The image tower, packed. */
  image(): Promise<Source>;
  /** The text tower, packed. */
  text(): Promise<Source>;
}

/** The embedded model as a folder with a packed model's file names. On disk, its towers end in `.bin`: wrangler bundles that. */
export function defaultModel({ config, tokenizer, image, text }: DefaultModel): ModelFiles {
  const texts: Record<string, () => Promise<string>> = {
    'open_clip_config.json': config,
    'tokenizer.json': tokenizer,
  };
  const sources: Record<string, () => Promise<Source>> = { 'image.safetensors': image, 'text.safetensors': text };
  return {
    name: DEFAULT_MODEL,
    text: async (name) => texts[name]?.(),
    source: async (name) => sources[name]?.(),
  };
}
