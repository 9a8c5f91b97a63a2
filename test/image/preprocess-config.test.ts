import { describe, expect, it } from 'vitest';
import { preprocess } from '../../src/image/preprocess.ts';
import {
  type PreprocessConfig,
  preprocessConfigFromHuggingFace,
  preprocessConfigFromOpenClip,
} from '../../src/image/preprocess-config.ts';

const mean = [0.5, 0.4, 0.3];
const std = [0.2, 0.3, 0.4];
const rest = { image_mean: mean, image_std: std, resample: 3, do_resize: true, do_center_crop: true };
const objects = { size: { shortest_edge: 336 }, crop_size: { height: 336, width: 336 } };
const expected = { size: 336, mean, std, crop: 'floor', resize: 'shortest', interpolation: 'bicubic' };

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toMatchObject({ name: 'ClipError', code: 'CONFIG' });
    return (error as Error).message;
  }
  return 'accepted';
}

describe("from Hugging Face's image processor", () => {
  it.each<[string, object]>([
    ['as older versions write it', { size: 336, crop_size: 336, ...rest }],
    ['as newer versions write it', { ...objects, ...rest }],
    ['inside processor_config.json', { image_processor: { ...objects, ...rest }, processor_class: 'CLIPProcessor' }],
    ['with a list for the crop', { size: 336, crop_size: [336, 336], ...rest }],
    ['with other sizes left empty', { ...objects, size: { shortest_edge: 336, longest_edge: null }, ...rest }],
    ['with its class', { ...objects, ...rest, image_processor_type: 'CLIPImageProcessorFast' }],
    ['with its older class', { ...objects, ...rest, feature_extractor_type: 'CLIPFeatureExtractor' }],
    [
      'with what does not change the numbers',
      {
        ...objects,
        ...rest,
        do_rescale: true,
        rescale_factor: 0.00392156862745098,
        do_convert_rgb: true,
        do_pad: false,
        pad_size: null,
        data_format: 'channels_first',
        default_to_square: true,
        _valid_processor_keys: ['images'],
      },
    ],
  ])('%s', (_, json) => {
    expect(preprocessConfigFromHuggingFace(json)).toEqual(expected);
  });

  it('with one number for all channels', () => {
    const config = preprocessConfigFromHuggingFace({ image_mean: 0.5, image_std: 0.25 });
    expect(config).toMatchObject({ size: 224, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] });
  });

  it("with the class's defaults", () => {
    expect(preprocessConfigFromHuggingFace({})).toEqual({
      ...expected,
      size: 224,
      mean: [0.48145466, 0.4578275, 0.40821073],
      std: [0.26862954, 0.26130258, 0.27577711],
    });
  });

  it.each<[string, object, string?]>([
    ['resample', { resample: 0 }, 'expected 2 (bilinear) or 3 (bicubic), got 0'],
    ['do_center_crop', { do_center_crop: false }, 'expected true, got false'],
    ['do_normalize', { do_normalize: false }],
    ['do_rescale', { do_rescale: false }],
    ['do_resize', { do_resize: 1 }],
    ['crop_size', { crop_size: { height: 224, width: 200 } }],
    ['crop_size', { crop_size: [224, 224, 224] }],
    ['crop_size', { crop_size: '224' }],
    ['size', { size: { height: 224, width: 224 } }, 'expected a number or { "shortest_edge": number }'],
    ['size', { size: { shortest_edge: 224, longest_edge: 448 } }],
    // CLIPImageProcessor's default size is 224, whatever the crop is.
    ['size', { size: undefined, crop_size: 336 }, 'expected the same as crop_size, 336'],
    ['size', { size: 0, crop_size: 0 }],
    ['size', { size: 224.5, crop_size: 224.5 }],
    ['default_to_square', { default_to_square: true }],
    ['rescale_factor', { rescale_factor: 1 }, 'expected 1/255, got 1'],
    ['rescale_factor', { rescale_factor: Number.NaN }, 'got NaN'],
    ['image_processor_type', { image_processor_type: 'ViTImageProcessor' }, 'got "ViTImageProcessor"'],
    ['feature_extractor_type', { feature_extractor_type: 'ViTFeatureExtractor' }],
    ['auto_map', { auto_map: { AutoImageProcessor: 'x.Y' } }, 'this option is not supported'],
    ['do_pad', { do_pad: true }, '= true: this option is not supported'],
    ['size_divisor', { size_divisor: 32 }],
    ['use_square_size', { use_square_size: true }],
  ])('refuses by name what would change the image: %s %j', (name, change, message = '') => {
    const text = refusal(() => preprocessConfigFromHuggingFace({ size: 224, crop_size: 224, ...change }));
    expect(text).toMatch(new RegExp(`^preprocessor_config\\.json: ${name}\\b`));
    expect(text).toContain(message);
  });

  it.each([[null], [[]], ['x'], [1]])('is not %j', (json) => {
    expect(refusal(() => preprocessConfigFromHuggingFace(json))).toContain('expected an object');
  });
});

describe("from OpenCLIP's preprocess_cfg", () => {
  it('with its defaults', () => {
    expect(preprocessConfigFromOpenClip({ mean, std }, 240)).toEqual({ ...expected, size: 240, crop: 'half-even' });
    expect(preprocessConfigFromOpenClip(undefined).mean[0]).toBeCloseTo(0.48145466, 8);
    expect(preprocessConfigFromOpenClip({ mean: 0.5, std: 0.5 })).toMatchObject({ mean: [0.5, 0.5, 0.5] });
  });

  it.each(['bicubic', 'bilinear'])('with the filter %s', (interpolation) => {
    expect(preprocessConfigFromOpenClip({ interpolation }).interpolation).toBe(interpolation);
  });

  it('from the whole file', () => {
    const model_cfg = { embed_dim: 512, vision_cfg: { image_size: 240 }, text_cfg: {} };
    const whole = { model_cfg, preprocess_cfg: { mean, std, fill_color: 0 } };
    expect(preprocessConfigFromOpenClip(whole)).toEqual({ ...expected, size: 240, crop: 'half-even' });
    expect(preprocessConfigFromOpenClip({ model_cfg })).toMatchObject({ size: 240 });
    expect(preprocessConfigFromOpenClip({ preprocess_cfg: { mean, std } })).toMatchObject({ size: 224, mean, std });
    const other = { model_cfg, preprocess_cfg: { size: 224 } };
    expect(refusal(() => preprocessConfigFromOpenClip(other))).toContain('image_size, 240, got 224');
    const unknown = { model_cfg, preprocess_cfg: { means: [0, 0, 0] } };
    expect(refusal(() => preprocessConfigFromOpenClip(unknown))).toContain(
      'preprocess_cfg.means = [0,0,0]: this option',
    );
  });

  it('refuses the file of another format', () => {
    const config = { model_type: 'clip', vision_config: {} };
    expect(refusal(() => preprocessConfigFromOpenClip(config))).toContain('preprocess_cfg.model_type = "clip"');
    expect(refusal(() => preprocessConfigFromHuggingFace(config))).toContain('model_type = "clip": this option');
    expect(refusal(() => preprocessConfigFromHuggingFace({ preprocess_cfg: { mean } }))).toContain('preprocess_cfg = ');
  });

  it('refuses by name what would change the image', () => {
    for (const cfg of [{ resize_mode: 'longest' }, { interpolation: 'nearest' }, { mode: 'L' }, { size: [224, 200] }]) {
      expect(refusal(() => preprocessConfigFromOpenClip(cfg, 224))).toContain(Object.keys(cfg)[0]);
    }
  });
});

describe('mean and std', () => {
  const wrong: [string, unknown][] = [
    ['of two channels', [0.5, 0.5]],
    ['of four channels', [0.5, 0.5, 0.5, 0.5]],
    ['with a string', ['0.5', 0.5, 0.5]],
    ['with null', [null, 0.5, 0.5]],
    // biome-ignore lint/suspicious/noSparseArray: that is the case
    ['with a hole', [0.5, , 0.5]],
    ['with NaN', [Number.NaN, 0.5, 0.5]],
    ['with infinity', [0.5, Number.POSITIVE_INFINITY, 0.5]],
    ['that is not a list', 'x'],
    ['that is an object', { 0: 0.5, 1: 0.5, 2: 0.5, length: 3 }],
  ];
  const means: [string, unknown][] = [
    ...wrong,
    ['of values up to 255', [122.7, 116.7, 104.1]],
    ['that is negative', [-0.1, 0, 0]],
  ];
  const deviations: [string, unknown][] = [
    ...wrong,
    ['that is 0', [0, 1, 1]],
    ['that is negative', [1, 1, -0.5]],
    // (1 - mean) / std is infinite in f32.
    ['that makes pixels overflow', [1, 1e-39, 1]],
    ['smaller than a step of 8 bits', [1, 0.0009, 1]],
    ['that makes all pixels 0', [1, 1, 1e38]],
  ];

  it.each([...means.map((one) => ['mean', ...one] as const), ...deviations.map((one) => ['std', ...one] as const)])(
    '%s %s is refused',
    async (field, _, values) => {
      const openclip = refusal(() => preprocessConfigFromOpenClip({ [field]: values }));
      expect(openclip).toMatch(new RegExp(`^preprocess_cfg: ${field} must be three numbers from`));
      const huggingface = refusal(() => preprocessConfigFromHuggingFace({ [`image_${field}`]: values }));
      expect(huggingface).toMatch(new RegExp(`^preprocessor_config.json: ${field} must be three numbers from`));
      // A caller's own configuration, too.
      const config = { ...preprocessConfigFromOpenClip(undefined, 8), [field]: values } as PreprocessConfig;
      const image = { data: new Uint8Array(192), width: 8, height: 8 };
      await expect(preprocess(image, config)).rejects.toMatchObject({ code: 'CONFIG' });
    },
  );

  it('may be none: 0 and 1', () => {
    const none = { mean: [0, 0, 0], std: [1, 1, 1] };
    expect(preprocessConfigFromOpenClip(none)).toMatchObject(none);
  });
});
