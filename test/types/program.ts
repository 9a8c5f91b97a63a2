// What a consumer writes, with neither the DOM nor a runtime's types needed. Only compiled, never run.
import { blobSource, type Clip, ClipError, type ImageInput, loadClip, nearest, type Ranked } from 'edgeclip';
import { loadClip as fromBundle } from 'edgeclip/bundle';
import { loadClip as fromCore } from 'edgeclip/core';
import { loadClip as fromImage, type Clip as ImageClip } from 'edgeclip/image';
import { Tokenizer } from 'edgeclip/tokenizer';
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
const same: (typeof loadClip)[] = [fromBundle, fromCore, fromImage, inWorker];

export { blobSource, byFile, ClipError, ids, index, oneOrMany, ranked, same };

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
// @ts-expect-error no such option
loadClip({ precison: 'int8' });

export { wrong };
