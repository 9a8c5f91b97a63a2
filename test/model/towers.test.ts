import { describe, expect, it } from 'vitest';
import { buildPrefixTree } from '../../src/text/prefix-tree.ts';
import { readDescription, towerSource } from '../../src/weights/model-files.ts';
import { readFolder, storeOf } from '../api/checkpoint.ts';
import { readGolden, syntheticPicture } from './golden.ts';
import { towersOf } from './towers.ts';

const files = storeOf(readFolder('tiny-vit'));
const { config, preprocess } = await readDescription(files);
const source = await towerSource(files, 'image');
const { token_ids } = readGolden('tiny-vit/expected.json');

describe.each(['f32', 'int8'] as const)('what a tower is asked for, in %s', (precision) => {
  it('image: all rows of the last block with tokens, the same embedding either way', async () => {
    const { engine, image } = await towersOf(source, config, preprocess, { precision });
    engine.bytes.set(syntheticPicture(80).data, image!.pixels);
    const embed = (output?: 'pooled' | 'tokens') => engine.view(image!.encode(output), config.embedDim).slice();
    const tokens = () => engine.view(image!.tokens.at, image!.tokens.rows * image!.tokens.width).slice();
    const pooled = embed();
    const before = tokens();
    expect(embed('pooled')).toEqual(pooled);
    expect(embed('tokens')).toEqual(pooled);
    expect(image!.tokens).toMatchObject({ rows: 26, width: 128 });
    expect(tokens()).not.toEqual(before);
  });

  it('text: likewise', async () => {
    const { engine, text } = await towersOf(source, config, preprocess, { precision });
    const [chunk] = [...buildPrefixTree(token_ids, 256)];
    const stride = Math.ceil(config.embedDim / 8) * 8;
    const embed = (output?: 'pooled' | 'tokens') =>
      engine.view(text!.encode(chunk!, output), chunk!.leaves.length * stride).slice();
    const pooled = embed();
    expect(embed('tokens')).toEqual(pooled);
  });

  it('a probe looks and changes nothing: it sees no last block that is not computed', async () => {
    const { engine, image } = await towersOf(source, config, preprocess, { precision });
    engine.bytes.set(syntheticPicture(80).data, image!.pixels);
    const seen: string[] = [];
    const pooled = engine.view(image!.encode(), config.embedDim).slice();
    const watched = engine.view(
      image!.encode('pooled', (name) => void seen.push(name)),
      config.embedDim,
    );
    expect(watched).toEqual(pooled);
    expect(seen).toEqual(['vision.ln_pre', 'vision.block.0', 'vision.block.1']);
    image!.encode('tokens', (name) => void seen.push(name));
    expect(seen.slice(3)).toEqual(['vision.ln_pre', 'vision.block.0', 'vision.block.1', 'vision.block.2']);
  });
});
