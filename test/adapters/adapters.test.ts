/** The adapters, used by the packages that they are for. */
import { FakeVectorStore } from '@langchain/core/utils/testing';
import { embed, embedMany } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddingModel } from '../../src/adapters/ai-sdk.ts';
import { ClipEmbeddings } from '../../src/adapters/langchain.ts';
import { pipeline } from '../../src/adapters/transformers.ts';
import type { Clip } from '../../src/clip.ts';
import { loadClip } from '../../src/load.ts';
import { photoFile } from '../serve/server.ts';

const path = (name: string) => new URL(`../golden/photos/${name}`, import.meta.url).pathname;
const [cat, rocket] = [photoFile('cat.png'), photoFile('rocket.jpg')];
let clip: Clip;
beforeAll(async () => {
  clip = await loadClip();
});
afterAll(() => clip.dispose());

describe('edgeclip/langchain', () => {
  it("is LangChain's Embeddings: a store finds pictures by words and by a picture", async () => {
    const embeddings = new ClipEmbeddings(clip);
    const store = new FakeVectorStore(embeddings, {});
    const documents = ['cat', 'rocket'].map((pageContent) => ({ pageContent, metadata: {} }));
    await store.addVectors(await embeddings.embedImages([cat, rocket]), documents);
    expect((await store.similaritySearch('a photo of a rocket', 1))[0]!.pageContent).toBe('rocket');
    const query = await embeddings.embedImageQuery(cat);
    const [found] = await store.similaritySearchVectorWithScore(query, 1);
    expect([found![0].pageContent, found![1]]).toEqual(['cat', expect.closeTo(1, 6)]);
    expect(await embeddings.embedDocuments(['a cat'])).toEqual([Array.from(await clip.encodeText('a cat'))]);
    expect(() => new ClipEmbeddings({} as Clip)).toThrow(TypeError);
  });
});

describe('edgeclip/ai-sdk', () => {
  it('is an embedding model of AI SDK 6', async () => {
    const model = embeddingModel(clip);
    const one = await embed({ model, value: 'a photo of a cat' });
    expect(one.embedding).toEqual(Array.from(await clip.encodeText('a photo of a cat')));
    expect(one.usage.tokens).toBe(clip.tokenize(['a photo of a cat'])[0]!.length);
    const many = await embedMany({ model, values: ['a', 'b', 'c'] });
    expect(many.embeddings).toEqual((await clip.encodeText(['a', 'b', 'c'])).map((vector) => Array.from(vector)));
    const stopped = embed({ model, value: 'a', abortSignal: AbortSignal.abort(), maxRetries: 0 });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('edgeclip/transformers', () => {
  const labels = ['dog', 'cat', 'rocket'];

  it('classifies one picture, or several, by paths, bytes, addresses and pixels', async () => {
    const classify = await pipeline('zero-shot-image-classification');
    const classifier = await clip.classifier(labels, { templates: 'This is a photo of {}' });
    const [expected, other] = (await classifier.classify([cat, rocket])).map((one) =>
      one.map(({ score, label }) => ({ score, label })),
    );
    expect(await classify(path('cat.png'), labels)).toEqual(expected);
    const uri = `data:image/png;base64,${Buffer.from(cat).toString('base64')}`;
    expect(await classify([uri, new Blob([rocket])], labels)).toEqual([expected, other]);
    const [best] = await classify(new Uint8Array(cat), ['night', 'cat'], { hypothesis_template: 'a picture of a {}' });
    expect(best!.label).toBe('cat');
    const raw = { data: new Uint8Array(12).fill(90), width: 2, height: 2, channels: 3 };
    expect(await classify(raw, labels)).toHaveLength(3);
    await classify.dispose();
    await expect(classify(cat, labels)).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('extracts features as tensors', async () => {
    const images = await pipeline('image-feature-extraction', undefined, { dtype: 'q8', device: 'cpu' });
    const tensor = await images([path('cat.png'), rocket]);
    const { embedDim } = clip.config;
    expect([tensor.dims, tensor.type, tensor.size]).toEqual([[2, embedDim], 'float32', 2 * embedDim]);
    const plain = await clip.encodeImage([cat, rocket], { normalize: false });
    expect(tensor.tolist()).toEqual(plain.map((vector) => Array.from(vector)));
    const texts = await pipeline('feature-extraction');
    expect([...(await texts('a cat', { normalize: true })).data]).toEqual([...(await clip.encodeText('a cat'))]);
    expect((await texts(['a', 'b'])).dims).toEqual([2, embedDim]);
    await Promise.all([images.dispose(), texts.dispose()]);
  });

  it('says what it does not do', async () => {
    await expect(pipeline('depth-estimation' as never)).rejects.toThrow(/task must be/);
    await expect(pipeline('feature-extraction', undefined, { device: 'webgpu' as never })).rejects.toThrow(/device/);
    await expect(pipeline('feature-extraction', undefined, { dtype: 'q4' as never })).rejects.toThrow(/dtype/);
    const texts = await pipeline('feature-extraction');
    await expect(texts('a', { pooling: 'mean' as never })).rejects.toThrow(/pooling/);
    await texts.dispose();
  });
});
