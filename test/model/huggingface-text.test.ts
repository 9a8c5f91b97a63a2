/** `eos_token_id` of Hugging Face's configurations, old style and new, against transformers in float64 (test/oracle/huggingface_text.py). */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { storeOf } from '../api/checkpoint.ts';
import { cosine, largestError, readGolden } from './golden.ts';
import { syntheticSource } from './synthetic.ts';

interface Golden {
  readonly token_ids: number[][];
  readonly models: Record<'old' | 'new', { config: object; text_embeddings: number[][] }>;
}

const { token_ids: ids, models } = readGolden<Golden>('huggingface-text/expected.json');

describe.each(['old', 'new'] as const)('%s style', (style) => {
  const { config, text_embeddings: expected } = models[style];

  it.each(['f32', 'int8'] as const)('gives the published embeddings in %s', async (precision) => {
    const source = syntheticSource('huggingface-text', { vision_cfg: { layers: 0 }, text_cfg: { layers: 0 } });
    const weights = new Uint8Array(source.byteLength);
    await source.readInto(0, weights);
    const store = storeOf({
      'config.json': new TextEncoder().encode(JSON.stringify(config)),
      'model.safetensors': weights,
    });
    using clip = await loadClip(store, { precision });
    const texts = await clip.encodeTokens(ids, { normalize: false });
    for (const [i, text] of texts.entries()) {
      expect(cosine(text, expected[i]!)).toBeGreaterThan(precision === 'f32' ? 0.999999 : 0.9995);
      if (precision === 'f32') expect(largestError(text, expected[i]!)).toBeLessThan(2e-5);
    }
  });
});
