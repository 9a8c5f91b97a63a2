/**
 * Makes the embedded model (weights/default) from its source, and checks it against the golden embeddings.
 *
 *   npm run weights [-- SOURCE]     SOURCE: a folder in OpenCLIP's layout; default ../shared/weights-source
 *   npm run weights -- --check      packs in memory and compares with the files; writes nothing
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadClip } from '../src/load.ts';
import { towerOf } from '../src/model/registry.ts';
import { directoryFiles, fileSource } from '../src/platform/node.ts';
import { readDescription, towerSource } from '../src/weights/model-files.ts';
import { TensorLookup } from '../src/weights/names.ts';
import { openTower } from '../src/weights/open-tower.ts';
import { PackedTower } from '../src/weights/packed.ts';
import { packTower } from '../src/weights/packing.ts';
import { readSafetensorsHeader } from '../src/weights/safetensors.ts';
import { PackedSlots, PublishedSlots } from '../src/weights/slot-source.ts';
import {
  cosine,
  type Expected,
  largestError,
  readGolden,
  sketchError,
  syntheticPicture,
} from '../test/model/golden.ts';

const { values: flags, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true });
const root = new URL('../', import.meta.url).pathname;
const source = positionals[0] ?? `${root}../shared/weights-source`;
const target = `${root}weights/default`;
if (!existsSync(source)) throw new Error(`no source of the default model at ${source}`);

const files = directoryFiles(source);
const { config, preprocess } = await readDescription(files);
mkdirSync(target, { recursive: true });
for (const tower of ['image', 'text'] as const) {
  const input = await towerSource(files, tower);
  const file = await openTower(input, config, tower, 'int8', preprocess);
  const bytes = new Uint8Array(file.layout.byteLength);
  await file.fill(bytes);
  const [written] = packTower(file.layout, bytes, { config, tower, normalization: preprocess });
  const packed = Buffer.concat(written!.parts);
  const path = `${target}/${tower}.bin`; // packed is safetensors; wrangler bundles files that end in .bin
  if (flags.check) {
    if (!packed.equals(readFileSync(path)))
      throw new Error(`${path} is not what the source gives: run npm run weights`);
  } else {
    writeFileSync(path, packed);
  }
  console.log(`${tower}.bin: ${packed.length} bytes${flags.check ? ', as committed' : ''}`);
  await input.close?.();
}
for (const name of ['open_clip_config.json', 'tokenizer.json']) {
  if (!flags.check) copyFileSync(`${source}/${name}`, `${target}/${name}`);
  else if (!readFileSync(`${source}/${name}`).equals(readFileSync(`${target}/${name}`)))
    throw new Error(`${name} differs`);
}

// The source's convolutions lie on an int8 grid already: packing them must lose nothing but f32 rounding.
{
  const published = await towerSource(files, 'image');
  const packed = await fileSource(`${target}/image.bin`);
  const tower = await towerOf(config, 'image');
  const names = new TensorLookup(await readSafetensorsHeader(published), tower.slots(), 'image', tower.summary);
  const exact = new PublishedSlots(published, names, preprocess);
  const model = { config, tower: 'image', normalization: preprocess } as const;
  const header = await readSafetensorsHeader(packed);
  const integers = new PackedSlots(new PackedTower([{ header, source: packed }], model, tower));
  let worst = 0;
  for (const slot of tower.slots()) {
    if (!slot.name.startsWith('visual.trunk.') || slot.kind === 'table') continue;
    const { values } = await exact.read(slot);
    const { values: kept } = await integers.read(slot);
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    for (let i = 0; i < values.length; i++) worst = Math.max(worst, Math.abs(values[i]! - kept[i]!) / largest);
  }
  console.log(`convolutions: packing changes a weight by at most ${worst.toExponential(1)} of its layer's largest`);
  if (worst > 1e-6) throw new Error('packing the convolutions lost something');
  await Promise.all([published.close?.(), packed.close?.()]);
}

const expected = readGolden<Expected & { texts: string[] }>('default/expected.json');
const bars = { f32: 0.999999, int8: 0.9995 } as const;
for (const [precision, model] of [
  ['f32', source],
  ['int8', target],
] as const) {
  if (precision === 'f32') {
    // Every layer's sketch: of the picture, and of the first text over its own tokens.
    const errors: [number, string][] = [];
    const probe = (name: string, _: readonly number[], values: Float32Array) =>
      void errors.push([sketchError(expected.activations[name]!, values), name]);
    using watched = await loadClip(model, { precision, probe });
    await watched.encodeImage(syntheticPicture(224));
    await watched.encodeTokens([expected.token_ids[0]!]);
    const [worst, name] = errors.sort(([a], [b]) => b - a)[0]!;
    console.log(`f32: ${errors.length} layers, worst ${name}: ${worst.toExponential(1)} of its mean magnitude`);
    if (errors.length !== 13 || worst > 1e-4) throw new Error('a layer is off');
  }
  using clip = await loadClip(model, { precision });
  const image = await clip.encodeImage(syntheticPicture(224));
  const texts = await clip.encodeText(expected.texts);
  const pairs: [Float32Array, number[]][] = [
    [image, expected.image_embedding],
    ...texts.map((text, i): [Float32Array, number[]] => [text, expected.text_embeddings[i]!]),
  ];
  const worst = Math.min(...pairs.map(([a, b]) => cosine(a, b)));
  const error = Math.max(...pairs.map(([a, b]) => largestError(a, b)));
  console.log(
    `${precision}: image cosine ${cosine(image, expected.image_embedding).toFixed(7)}, worst cosine ${worst.toFixed(7)}, largest error ${error.toExponential(2)}`,
  );
  if (worst < bars[precision] || (precision === 'f32' && error > 2e-5)) throw new Error(`${precision} is off`);
}
