/** `edgeclip/ai-sdk`: a model as Vercel AI SDK's embedding model, for `embed` and `embedMany`. */
import '../global-names.ts';
import type { Clip } from '../clip.ts';

/** The calls of `EmbeddingModelV3` in `@ai-sdk/provider` 3, of AI SDK 6. */
export interface ClipEmbeddingModel {
  readonly specificationVersion: 'v3';
  readonly provider: 'edgeclip';
  readonly modelId: string;
  readonly maxEmbeddingsPerCall: number;
  readonly supportsParallelCalls: boolean;
  doEmbed(options: { readonly values: string[]; readonly abortSignal?: AbortSignal }): Promise<{
    readonly embeddings: number[][];
    readonly usage: { readonly tokens: number };
    readonly warnings: [];
  }>;
}

/**
 * An embedding model for the AI SDK: texts to vectors of length 1. AI SDK 6 runs on Node 18 and newer; AI SDK 7 wants Node 22.
 * @throws (from its calls) as `Clip.encodeText`
 * @example
 * import { embeddingModel } from 'edgeclip/ai-sdk';
 * const model = embeddingModel(clip); // embed({ model, value: 'a photo of a cat' }), embedMany({ model, values })
 * const { embeddings } = await model.doEmbed({ values: ['a photo of a cat'] });
 * embeddings.length; // 1
 */
export function embeddingModel(clip: Pick<Clip, 'encodeText' | 'info'>): ClipEmbeddingModel {
  if (typeof clip?.encodeText !== 'function') {
    throw new TypeError('embeddingModel: expected a model: embeddingModel(await loadClip())');
  }
  return {
    specificationVersion: 'v3',
    provider: 'edgeclip',
    modelId: clip.info().model,
    maxEmbeddingsPerCall: 2048,
    supportsParallelCalls: true,
    async doEmbed({ values, abortSignal }) {
      let tokens = 0;
      const onTokens = (counts: readonly number[]) => {
        tokens = counts.reduce((sum, count) => sum + count, 0);
      };
      const embeddings = await clip.encodeText(values, { signal: abortSignal, onTokens });
      return {
        embeddings: embeddings.map((embedding) => Array.from(embedding)),
        usage: { tokens },
        warnings: [],
      };
    },
  };
}
