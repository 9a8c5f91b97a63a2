/** `imageSize`: the weights of one size on pictures of another. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../src/classifier.ts';
import { writePackedFolder } from '../../src/cli/packed-folder.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { loadClip } from '../../src/load.ts';
import { openModel } from '../../src/open-model.ts';
import { resizePositions } from '../../src/weights/position-grid.ts';
import type { ModelFiles } from '../../src/weights/source.ts';
import { edgeclip } from '../cli/command.ts';
import { goldenPath, syntheticPicture } from '../model/golden.ts';
import { syntheticFolder, TINY_RN } from '../model/synthetic.ts';
import { editTensors, type Folder, readFolder, rejection, storeOf, utf8 } from './checkpoint.ts';

const work = mkdtempSync(join(tmpdir(), 'edgeclip-size-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const ids = [[0, 5, 6, 599]];
const photo = readFileSync(goldenPath('photos/cat.png'));

/** The folder as somebody would write it who trained with another size: its positions on the new grid, its size in the configuration. */
function written(folder: Folder, tensor: string, step: number, size: number): Folder {
  const name = Object.keys(folder).find((file) => /config\.json$/.test(file) && !/preprocessor/.test(file))!;
  const json = JSON.parse(new TextDecoder().decode(folder[name]));
  const vision = json.vision_config ?? (json.model_cfg ?? json).vision_cfg;
  const trained = vision.image_size / step;
  vision.image_size = size;
  const weights = Object.keys(folder).find((file) => file.endsWith('.safetensors'))!;
  const edited = editTensors(folder, weights, (checkpoint) => ({
    ...checkpoint,
    tensors: checkpoint.tensors.map((one) => {
      if (one.name !== tensor) return one;
      const table = new Float32Array(one.data.slice().buffer);
      const resized = resizePositions(table, { trained, size: size / step });
      const shape = [1 + (size / step) ** 2, one.shape[1]!];
      return { ...one, shape, data: new Uint8Array(resized.buffer) };
    }),
  }));
  const processor = folder['preprocessor_config.json'] && {
    'preprocessor_config.json': utf8(
      JSON.stringify({
        ...JSON.parse(new TextDecoder().decode(folder['preprocessor_config.json'])),
        size: { shortest_edge: size },
        crop_size: { height: size, width: size },
      }),
    ),
  };
  return { ...edited, ...processor, [name]: utf8(JSON.stringify(json)) };
}

async function embed(model: string | ModelFiles, options: object) {
  using clip = await loadClip(model, options);
  return [await clip.encodeImage(photo), await clip.encodeImage(syntheticPicture(100))];
}

describe.each(['int8', 'f32'] as const)('in %s', (precision) => {
  it.each([48, 80, 112])('a ViT of 80 pixels takes %i: OpenCLIP, Hugging Face, packed, on threads', async (size) => {
    const openclip = readFolder('tiny-vit');
    const expected = await embed(storeOf(written(openclip, 'visual.positional_embedding', 16, size)), { precision });
    const options = { precision, imageSize: size };
    expect(await embed(goldenPath('tiny-vit'), options)).toEqual(expected);
    expect(await embed(goldenPath('tiny-vit'), { ...options, threads: 2 })).toEqual(expected);
    const huggingface = readFolder('tiny-vit-hf');
    const position = 'vision_model.embeddings.position_embedding.weight';
    expect(await embed(storeOf(huggingface), options)).toEqual(
      await embed(storeOf(written(huggingface, position, 16, size)), { precision }),
    );
    const packed = join(work, `${precision}-${size}`);
    await writePackedFolder(await openModel(goldenPath('tiny-vit')), packed, { precision, shardBytes: 200_000 });
    expect(await embed(packed, options)).toEqual(expected);
  });

  it('a ResNet of 96 pixels takes 64 and 160', async () => {
    const folder = await syntheticFolder('tiny-rn', TINY_RN);
    for (const size of [64, 160]) {
      const expected = await embed(storeOf(written(folder, 'visual.attnpool.positional_embedding', 32, size)), {
        precision,
      });
      expect(await embed(storeOf(folder), { precision, imageSize: size })).toEqual(expected);
    }
  });
});

it('packed int8 weights in f32 have their positions resized, too', async () => {
  const packed = join(work, 'packed');
  await writePackedFolder(await openModel(goldenPath('tiny-vit')), packed, { precision: 'int8' });
  const [dialed] = await embed(packed, { precision: 'f32', imageSize: 48 });
  const [published] = await embed(goldenPath('tiny-vit'), { precision: 'f32', imageSize: 48 });
  let [dot, a, b] = [0, 0, 0];
  for (const [i, value] of dialed!.entries()) {
    dot += value * published![i]!;
    a += value * value;
    b += published![i]! * published![i]!;
  }
  expect(dot / Math.sqrt(a * b)).toBeGreaterThan(0.9995); // int8 weights
});

it('the embedded model takes multiples of 32, says its size everywhere, and its texts stay', async () => {
  using whole = await loadClip();
  using small = await loadClip({ imageSize: 160 });
  expect(small.info().image).toMatchObject({
    size: 160,
    trainedSize: 224,
    fingerprint: whole.info().image!.fingerprint,
  });
  expect(whole.info().image).not.toHaveProperty('trainedSize');
  expect(small.preprocess).toEqual({ ...whole.preprocess, size: 160 });
  expect(small.info().memory.use['image activations']!).toBeLessThan(whole.info().memory.use['image activations']!);
  expect(await small.encodeText('a cat')).toEqual(await whole.encodeText('a cat'));
  // The crop that the tower sees is that of `preprocess`.
  const crop = await preprocess(photo, small.preprocess);
  expect([crop.width, crop.height]).toEqual([160, 160]);
  expect(await small.encodeImage(crop)).toEqual(await small.encodeImage(photo));
  const labels = ['cat', 'dog', 'rocket', 'cup of coffee'];
  const classifier = await small.classifier(labels);
  expect((await classifier.classify(photo))[0]).toMatchObject({ label: 'cat' });
  // A classifier carries the size, and serves the model at any.
  const read = Classifier.fromBytes(classifier.toBytes(), whole);
  expect([classifier.imageSize, read.imageSize, (await whole.classifier(labels)).imageSize]).toEqual([160, 160, 224]);
  expect((await read.classify(photo))[0]).toMatchObject({ label: 'cat' });
  expect(Classifier.fromBytes(classifier.toBytes()).imageSize).toBe(160);
});

it('a model that was given another size keeps its own text tower and fingerprint', async () => {
  using own = await loadClip(goldenPath('tiny-vit'));
  using other = await loadClip(goldenPath('tiny-vit'), { imageSize: 48 });
  expect(await other.encodeTokens(ids)).toEqual(await own.encodeTokens(ids));
  expect(other.info().image!.fingerprint).toBe(own.info().image!.fingerprint);
});

describe('a size that the tower cannot take', () => {
  it.each([100, 0, -16, 16.5, 4112, Number.NaN, '48', null])('%j is a RangeError', async (imageSize) => {
    const error = await rejection(loadClip(goldenPath('tiny-vit'), { imageSize: imageSize as number }));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toMatch(
      /^imageSize must be a multiple of 16 from 16 to 4096, as the tower's patches are that wide; got /,
    );
  });

  it('of the embedded model is one that is not a multiple of 32', async () => {
    expect((await rejection(loadClip({ imageSize: 112 }))).message).toMatch(/multiple of 32 from 32 to 4096.*got 112/);
  });

  it('is wrong usage on the command line, which info shows without loading', async () => {
    const model = goldenPath('tiny-vit');
    const [wrong, classify, info] = await Promise.all([
      edgeclip(['info', '--image-size', '100', model]),
      edgeclip(['embed', goldenPath('photos/cat.png'), '--image-size', '100']),
      edgeclip(['info', '--image-size', '48', model]),
    ]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--image-size must be a multiple of 16')]);
    expect([classify.code, classify.stderr]).toEqual([
      2,
      expect.stringContaining('--image-size must be a multiple of 32'),
    ]);
    expect(info.stdout).toContain('ViT, patch 16, 48 x 48 pixels, trained with 80\n');
  });
});
