/** What a model's text files mean together: configuration and preprocessing, without weights. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ModelDescription, readDescription } from '../../src/weights/model-files.ts';
import { readFolder, rejection, storeOf, utf8 } from '../api/checkpoint.ts';

const json = (value: unknown) => utf8(JSON.stringify(value));
const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
const folder = readFolder('tiny-vit-hf');
const { 'preprocessor_config.json': _old, ...bare } = folder;
const settings = {
  ...parse(folder['preprocessor_config.json']),
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};
const nested = { image_processor: settings, processor_class: 'CLIPProcessor' };
const config = parse(folder['config.json']);

type Files = Record<string, unknown>;

/** The Hugging Face folder without preprocessing, plus these JSON files. */
const files = (extra: Files) =>
  storeOf({ ...bare, ...Object.fromEntries(Object.entries(extra).map(([name, value]) => [name, json(value)])) }, 'it');
const describeModel = (extra: Files): Promise<ModelDescription> => readDescription(files(extra));
const refusal = async (extra: Files): Promise<string> => {
  const error = await rejection(describeModel(extra));
  expect(error).toMatchObject({ name: 'ClipError', code: 'CONFIG' });
  return error.message;
};

describe('B01: processor_config.json', () => {
  it('has the same settings as preprocessor_config.json', async () => {
    const { preprocess, warnings } = await describeModel({ 'processor_config.json': nested });
    expect(preprocess).toEqual((await describeModel({ 'preprocessor_config.json': settings })).preprocess);
    expect(preprocess).toMatchObject({ size: 80, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
    expect(warnings).toEqual([]);
  });

  it.each<[string, object]>([
    ['size', { size: { height: 80, width: 80 } }],
    ['do_center_crop', { do_center_crop: false }],
    ['resample', { resample: 0 }],
    ['rescale_factor', { rescale_factor: 1 }],
    ['image_processor_type', { image_processor_type: 'SiglipImageProcessor' }],
    ['std', { image_std: [0, 1, 1] }],
    ['pad_size', { pad_size: { height: 96, width: 96 } }],
  ])('is refused as the old file is: %s', async (name, change) => {
    const changed = { ...settings, ...change };
    const old = await refusal({ 'preprocessor_config.json': changed });
    const now = await refusal({ 'processor_config.json': { image_processor: changed } });
    expect(old).toMatch(new RegExp(`^"it": preprocessor_config\\.json: ${name}`));
    expect(now).toMatch(new RegExp(`^"it": processor_config\\.json: (image_processor\\.)?${name}`));
  });

  it('wins over preprocessor_config.json, as in transformers 5; a warning says if they differ', async () => {
    const other = { ...settings, image_mean: [0.4, 0.4, 0.4] };
    const both = await describeModel({ 'processor_config.json': nested, 'preprocessor_config.json': other });
    expect(both.preprocess.mean).toEqual([0.5, 0.5, 0.5]);
    expect(both.warnings).toEqual([expect.stringMatching(/^"it": preprocessor_config\.json differs/)]);
    const same = await describeModel({ 'processor_config.json': nested, 'preprocessor_config.json': settings });
    expect(same.warnings).toEqual([]);
  });

  it('without an image processor leaves it to preprocessor_config.json', async () => {
    for (const processor of [{ processor_class: 'CLIPProcessor' }, { image_processor: null }]) {
      const { preprocess } = await describeModel({
        'processor_config.json': processor,
        'preprocessor_config.json': settings,
      });
      expect(preprocess.mean).toEqual([0.5, 0.5, 0.5]);
    }
  });

  it('may have the settings at its top level, as transformers 4.57 reads it', async () => {
    const { preprocess } = await describeModel({ 'processor_config.json': settings });
    expect(preprocess.mean).toEqual([0.5, 0.5, 0.5]);
  });

  it('that is not an object, or whose image processor is not, is refused', async () => {
    expect(await refusal({ 'processor_config.json': { image_processor: [1] } })).toContain('image_processor');
    expect(await refusal({ 'processor_config.json': { image_processor: 'CLIPImageProcessor' } })).toContain(
      'image_processor: expected an object',
    );
  });

  it.each(['processor_config-5.24', 'preprocessor_config-4.57', 'preprocessor_config-4.26'])(
    'as saved: %s',
    async (name) => {
      const saved = JSON.parse(readFileSync(`test/golden/huggingface-configs/${name}.json`, 'utf8'));
      const full = { model_type: 'clip', vision_config: { image_size: 224 } };
      const { preprocess, warnings } = await describeModel({
        'config.json': full,
        [`${name.split('-')[0]}.json`]: saved,
      });
      expect(preprocess).toMatchObject({ size: 224, std: [0.26862954, 0.26130258, 0.27577711], crop: 'floor' });
      expect(warnings).toEqual([]);
    },
  );
});

describe('without preprocessing', () => {
  it("a CLIP model gets CLIP's defaults at its own size, and a warning", async () => {
    const { preprocess, warnings } = await describeModel({});
    expect(preprocess).toEqual({
      size: 80,
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
      crop: 'floor',
      resize: 'shortest',
      interpolation: 'bicubic',
    });
    expect(warnings).toEqual([
      '"it": there is no preprocessor_config.json and no image_processor in processor_config.json; ' +
        "images are prepared with CLIP's defaults",
    ]);
    const vision = { ...config.vision_config, model_type: 'clip_vision_model' };
    expect((await describeModel({ 'config.json': vision })).warnings).toHaveLength(1);
  });

  it('a model that does not say its type is refused', async () => {
    const { model_type: _, ...untyped } = config;
    expect(await refusal({ 'config.json': untyped })).toContain('without a model_type in config.json');
    const given = await describeModel({ 'config.json': untyped, 'preprocessor_config.json': settings });
    expect(given.warnings).toEqual([]);
  });

  it('a text tower needs none', async () => {
    const text = { ...config.text_config, model_type: 'clip_text_model' };
    expect(await describeModel({ 'config.json': text })).toMatchObject({ config: { embedDim: 96 }, warnings: [] });
  });
});

describe('a configuration', () => {
  it('for another image size than the crop is refused with both', async () => {
    const message = await refusal({ 'preprocessor_config.json': { ...settings, size: 96, crop_size: 96 } });
    expect(message).toBe('"it": images are cropped to 96 pixels, but the image tower takes 80');
  });

  it('that is not there: the message ends with the note of the files', async () => {
    const none = '"it": there is no open_clip_config.json and no config.json';
    expect((await rejection(readDescription(storeOf({}, 'it')))).message).toBe(
      `${none}: give one as loadClip(model, { config }), or --config FILE`,
    );
    const noted = { ...storeOf({}, 'it'), note: '; only the cache was looked at' };
    expect((await rejection(readDescription(noted))).message).toBe(`${none}; only the cache was looked at`);
  });

  it('passes its warnings on', async () => {
    const custom = { ...config, auto_map: { AutoModel: 'x.Y' } };
    const { warnings } = await describeModel({ 'config.json': custom, 'preprocessor_config.json': settings });
    expect(warnings).toEqual([expect.stringMatching(/^"it": config\.json names code of its own \(auto_map\)/)]);
  });

  it('larger than any is refused before it is parsed', async () => {
    for (const name of ['open_clip_config.json', 'config.json', 'processor_config.json', 'preprocessor_config.json']) {
      const store = files({});
      const large = {
        ...store,
        text: async (asked: string) => (asked === name ? '['.repeat(10_000_001) : store.text(asked)),
      };
      const error = await rejection(readDescription(large));
      expect(error).toMatchObject({ code: 'CONFIG' });
      expect(error.message).toBe(`"it": ${name} has 10000001 characters, expected at most 10000000`);
    }
  });

  it.each(['config.json', 'processor_config.json', 'preprocessor_config.json'])(
    'nested too deep for the stack is a typed error: %s',
    async (name) => {
      for (const key of ['size', 'image_processor', 'image_mean', 'crop_size', 'text_config', 'x']) {
        for (const [open, close] of ['[]', ['{"image_processor":', '}']]) {
          const text = `{"model_type":"clip","image_mean":0.5,"${key}":${open.repeat(50_000)}1${close.repeat(50_000)}}`;
          const store = files({});
          const deep = { ...store, text: async (asked: string) => (asked === name ? text : store.text(asked)) };
          expect(await rejection(readDescription(deep))).toMatchObject({ name: 'ClipError', code: 'CONFIG' });
        }
      }
    },
  );
});

it.each<[string, string, object, RegExp]>([
  [
    'SigLIP',
    'config.json',
    { model_type: 'siglip', vision_config: {} },
    /config\.json: model_type = "siglip": SigLIP models are not supported/,
  ],
  ['a list of layers', 'open_clip_config.json', { model_cfg: { vision_cfg: {} } }, /model_cfg\.embed_dim/],
  ['no configuration', 'config.json', { a: 1 }, /got the keys a/],
  [
    'a resize that is not built',
    'open_clip_config.json',
    {
      model_cfg: { embed_dim: 512, vision_cfg: { image_size: 224 }, text_cfg: {} },
      preprocess_cfg: { resize_mode: 'longest' },
    },
    /preprocess_cfg\.resize_mode: expected "shortest" or "squash", got "longest"/,
  ],
])('a configuration that is refused, %s: the message begins with model and file', async (_, name, json, message) => {
  const refused = await refusal({ 'config.json': undefined, [name]: json } as never);
  expect(refused.startsWith(`"it": ${name}: `)).toBe(true);
  expect(refused).toMatch(message);
});
