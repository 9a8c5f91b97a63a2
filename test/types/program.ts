// What a consumer writes, with neither the DOM nor a runtime's types needed. Only compiled, never run.
import { blobSource, type Clip, ClipError, type ImageInput, loadClip, nearest, type Ranked } from 'edgeclip';
import { embeddingModel } from 'edgeclip/ai-sdk';
import { loadClip as fromBundle } from 'edgeclip/bundle';
import { loadClip as fromCore } from 'edgeclip/core';
import { loadClip as fromImage, type Clip as ImageClip } from 'edgeclip/image';
import { ClipEmbeddings } from 'edgeclip/langchain';
import { type Match, openPhotos, type PhotoStore, VectorIndex } from 'edgeclip/search';
import { type App, createApp } from 'edgeclip/serve';
import { Tokenizer } from 'edgeclip/tokenizer';
import { pipeline, type Tensor } from 'edgeclip/transformers';
import { Classifier, loadClip as inWorker } from 'edgeclip/worker';

declare const image: ImageInput;
declare const either: ImageInput | ImageInput[];

const clip: Clip = await loadClip({ towers: ['image'], precision: 'int8' });
const one: Float32Array = await clip.encodeImage(new Uint8Array(8));
const many: Float32Array[] = await clip.encodeImage([image, { data: new Uint8Array(3), width: 1, height: 1 }]);
const oneOrMany: Float32Array | Float32Array[] = await clip.encodeImage(either);
const ranked: Ranked[] = await (await clip.classifier(['cat', 'dog'])).classify(image, { topK: 1 });
const index: number = (await nearest(one, many, 1))[0]!.index;
const ids: number[] = Tokenizer.fromJSON('{}').encode('a cat');
const edge: ImageClip = await fromImage({ imageSize: 192 });
const byFile: Ranked[] = await Classifier.fromBytes(new Uint8Array(8), edge).classify(one);
const found: VectorIndex = await VectorIndex.create({ model: clip });
found.add('cat', one);
const matches: Match[] = await found.search(one, 5, { filter: (id) => id !== 'dog' });
const again: VectorIndex = await VectorIndex.load(await found.toBytes(), { model: clip });
const removed: boolean = again.remove('cat');
const photos: PhotoStore = await openPhotos('photos.db');
const app: App = createApp(() => loadClip(), { maxWait: 2 });
const closed: Promise<void> = app.close();
const vectors: number[][] = await new ClipEmbeddings(clip).embedDocuments(['a cat']);
const { modelId } = embeddingModel(clip);
const features: Tensor = await (await pipeline('feature-extraction'))('a cat');
const same: (typeof loadClip)[] = [fromBundle, fromCore, fromImage, inWorker];

export {
  blobSource,
  byFile,
  ClipError,
  closed,
  features,
  ids,
  index,
  matches,
  modelId,
  oneOrMany,
  photos,
  ranked,
  removed,
  same,
  vectors,
};

// @ts-expect-error a path is not a picture
clip.encodeImage('a.jpg');
// @ts-expect-error nor for the image tower alone
edge.encodeImage('a.jpg');
// @ts-expect-error nor in a worker
(await inWorker()).encodeImage('a.jpg');
// @ts-expect-error a number is not a picture
clip.encodeImage(42);
// @ts-expect-error one picture gives one vector
const wrong: Float32Array[] = await clip.encodeImage(image);
// @ts-expect-error an index has vectors, not pictures
found.add('dog', 'a.jpg');
// @ts-expect-error of photos a store is opened by its address
openPhotos(42);
// @ts-expect-error no such option
createApp(clip, { maxWiat: 2 });
// @ts-expect-error no such task
pipeline('translation');
// @ts-expect-error no such option
loadClip({ precison: 'int8' });

export { wrong };
