import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseConfig } from './parse-config.ts';

const json = async (path: string) => JSON.parse(await readFile(`test/golden/${path}`, 'utf8'));

const open = {
  embed_dim: 512,
  vision_cfg: { image_size: 224, layers: 12, width: 768, patch_size: 32 },
  text_cfg: { context_length: 77, vocab_size: 49408, width: 512, heads: 8, layers: 12 },
};
const vision = (changes: object) => ({ ...open, vision_cfg: { ...open.vision_cfg, ...changes } });
const text = (changes: object) => ({ ...open, text_cfg: { ...open.text_cfg, ...changes } });

function refusal(config: unknown): string {
  try {
    parseConfig(config);
  } catch (error) {
    expect(error).toMatchObject({ name: 'ClipError', code: 'CONFIG' });
    return (error as Error).message;
  }
  return 'accepted';
}

describe("OpenCLIP's configuration", () => {
  it('reads the golden model', async () => {
    expect(parseConfig(await json('tiny-vit/open_clip_config.json'))).toEqual({
      embedDim: 96,
      source: 'openclip',
      vision: {
        kind: 'vit',
        imageSize: 80,
        patch: 16,
        preNorm: true,
        width: 128,
        layers: 3,
        heads: 2,
        mlpWidth: 512,
        activation: 'quick_gelu',
        layerNormEps: 1e-5,
        projection: true,
      },
      text: {
        width: 128,
        layers: 3,
        heads: 2,
        mlpWidth: 512,
        activation: 'quick_gelu',
        layerNormEps: 1e-5,
        projection: true,
        contextLength: 77,
        vocabSize: 600,
        eot: { rule: 'argmax' },
      },
    });
  });

  it('reads a bare configuration and fills in the published defaults', () => {
    const config = parseConfig({ embed_dim: 512, vision_cfg: {}, text_cfg: {} });
    expect(config).toMatchObject({
      vision: { kind: 'vit', imageSize: 224, patch: 16, width: 768, layers: 12, heads: 12, mlpWidth: 3072 },
      text: { width: 512, heads: 8, layers: 12, mlpWidth: 2048, contextLength: 77, vocabSize: 49408 },
    });
    expect([config.vision, config.text]).toMatchObject([{ activation: 'gelu' }, { activation: 'gelu' }]);
  });

  it('reads ViT-bigG-14, whose MLP ratio is not an integer and whose heads are not 64 wide', () => {
    const config = parseConfig({
      embed_dim: 1280,
      vision_cfg: { image_size: 224, layers: 48, width: 1664, head_width: 104, mlp_ratio: 4.9231, patch_size: 14 },
      text_cfg: { context_length: 77, vocab_size: 49408, width: 1280, heads: 20, layers: 32 },
    });
    expect(config.vision).toMatchObject({ heads: 16, mlpWidth: 8192 });
  });

  it('reads the embedded model', () => {
    const config = parseConfig({
      model_cfg: {
        embed_dim: 384,
        vision_cfg: {
          timm_model_name: 'tf_efficientnet_lite0',
          timm_model_pretrained: false,
          timm_pool: '',
          timm_proj: 'linear',
          timm_proj_bias: true,
          image_size: 224,
        },
        text_cfg: { context_length: 77, vocab_size: 16384, width: 256, heads: 4, layers: 4 },
      },
    });
    expect(config.vision).toMatchObject({
      kind: 'efficientnet-lite',
      imageSize: 224,
      stem: 32,
      head: 1280,
      bnEps: 1e-3,
      projectionBias: true,
    });
    if (config.vision?.kind !== 'efficientnet-lite') throw new Error('another tower');
    expect(
      config.vision.stages.map((stage) => [stage.repeats, stage.channels, stage.kernel, stage.stride, stage.expansion]),
    ).toEqual([
      [1, 16, 3, 1, 1],
      [2, 24, 3, 2, 6],
      [2, 40, 5, 2, 6],
      [3, 80, 3, 2, 6],
      [3, 112, 5, 1, 6],
      [4, 192, 5, 2, 6],
      [1, 320, 3, 1, 6],
    ]);
    expect(config.text?.activation).toBe('gelu');
  });

  it('reads the options that change the graph', () => {
    expect(parseConfig(vision({ no_ln_pre: true })).vision).toMatchObject({ preNorm: false });
    expect(parseConfig(vision({ norm_kwargs: { eps: 1e-6 } })).vision).toMatchObject({ layerNormEps: 1e-6 });
    expect(parseConfig(text({ norm_kwargs: { eps: 1e-6 } })).text?.layerNormEps).toBe(1e-6);
    expect(parseConfig(text({ mlp_ratio: 2 })).text?.mlpWidth).toBe(1024);
    expect(parseConfig(text({ mlp_ratio: 2.01, width: 96 })).text).toMatchObject({ mlpWidth: 192, heads: 8 });
    expect(parseConfig(text({ pool_type: 'eos', eos_id: 7 })).text?.eot).toEqual({ rule: 'id', id: 7 });
    expect(parseConfig(vision({ image_size: [224, 224] })).vision?.imageSize).toBe(224);
  });

  it('reads a ResNet by its list of layers', () => {
    const resNet = { layers: [3, 4, 23, 3], width: 64, patch_size: null };
    const { vision: plain, text: both } = parseConfig(vision(resNet));
    expect(plain).toEqual({ kind: 'resnet', imageSize: 224, width: 64, layers: [3, 4, 23, 3], heads: 32 });
    expect(both).toEqual(parseConfig(open).text);
    // open_clip/model.py: width * 32 // head_width heads
    expect(parseConfig(vision({ ...resNet, width: 80, head_width: 128, image_size: 288 })).vision).toMatchObject({
      imageSize: 288,
      heads: 20,
    });
    expect(parseConfig(vision({ ...resNet, mlp_ratio: 2, attentional_pool: false })).vision).toEqual(plain);
  });

  it('accepts options that do not change the numbers', () => {
    const plain = parseConfig(open);
    expect(parseConfig(vision({ patch_dropout: 0.5, attentional_pool: false, ls_init_value: null }))).toEqual(plain);
    expect(parseConfig(vision({ pool_type: 'tok', final_ln_after_pool: true, timm_model_name: null }))).toEqual(plain);
    expect(parseConfig(text({ pad_id: 1, tokenizer_kwargs: {}, embed_cls: false }))).toEqual(plain);
    expect(parseConfig({ ...open, custom_text: true, init_logit_scale: 4.6, some_new_thing: null })).toEqual(plain);
  });

  it('reads text towers without a causal mask, other pooling, projections and cleaning', () => {
    const { text: plain, embedDim } = parseConfig(open);
    const of = (change: object) => parseConfig(text(change)).text;
    expect(of({ no_causal_mask: true })).toEqual({ ...plain, causal: false, padding: 0 });
    expect(of({ no_causal_mask: true, pool_type: 'last', pad_id: 1 })).toEqual({
      ...plain,
      causal: false,
      padding: 1,
      eot: { rule: 'last' },
    });
    expect(of({ pool_type: 'last' })).toEqual({ ...plain, padding: 0, eot: { rule: 'last' } });
    expect(of({ proj_bias: true })).toEqual({ ...plain, projectionBias: true });
    expect(of({ proj_type: 'none', width: embedDim })).toEqual({ ...plain, width: embedDim, projection: false });
    expect(of({ hf_tokenizer_name: 'x' })).toEqual({ ...plain, cleaning: 'whitespace' });
    expect(of({ hf_tokenizer_name: 'x', tokenizer_kwargs: { strip_sep_token: true } })).toMatchObject({
      stripSeparator: true,
    });
  });

  it.each([
    [
      'a ResNet of three stages',
      vision({ layers: [3, 4, 6], patch_size: null }),
      'vision_cfg.layers: expected four integers from 1 to 256, the blocks of each stage of a ResNet',
    ],
    [
      'a ResNet with average pooling',
      vision({ layers: [3, 4, 6, 3], width: 64, pool_type: 'avg' }),
      'vision_cfg.pool_type = "avg"',
    ],
    [
      'a ResNet between two grids',
      vision({ layers: [3, 4, 6, 3], width: 64, image_size: 240 }),
      'vision_cfg.image_size: expected a multiple of 32',
    ],
    [
      'odd heads of a ResNet',
      vision({ layers: [3, 4, 6, 3], width: 64, head_width: 60 }),
      'vision_cfg.head_width: expected a divisor of the width, 2048',
    ],
    [
      'an odd layer count of a ResNet',
      vision({ layers: [3, 4, 6.5, 3], width: 64 }),
      'vision_cfg.layers: expected four integers',
    ],
    ['attention pooling', vision({ attentional_pool: true }), 'vision_cfg.attentional_pool = true'],
    ['mean pooling', vision({ global_average_pool: true }), 'vision_cfg.global_average_pool = true'],
    ['no pooling', vision({ pool_type: 'none' }), 'vision_cfg.pool_type = "none"'],
    [
      'mean pooling of a ResNet',
      vision({ layers: [1, 1, 1, 1], width: 64, patch_size: null, pool_type: 'avg' }),
      'vision_cfg.pool_type = "avg"',
    ],
    [
      'layer scale of a ResNet',
      vision({ layers: [1, 1, 1, 1], width: 64, patch_size: null, ls_init_value: 1e-4 }),
      'vision_cfg.ls_init_value = 0.0001',
    ],
    ['tanh GELU', vision({ act_kwargs: { approximate: 'tanh' } }), 'vision_cfg.act_kwargs'],
    [
      'another norm',
      vision({ norm_kwargs: { elementwise_affine: true } }),
      'vision_cfg.norm_kwargs.elementwise_affine = true',
    ],
    ['an unknown option', vision({ rotary: 3 }), 'vision_cfg.rotary = 3: this option is not supported'],
    [
      'a text tower from Hugging Face',
      text({ hf_model_name: 'xlm-roberta-base' }),
      'text_cfg.hf_model_name = "xlm-roberta-base"',
    ],
    ['a mask that is not a flag', text({ no_causal_mask: 1 }), 'text_cfg.no_causal_mask: expected true or false'],
    ['a class token in the text', text({ embed_cls: true }), 'text_cfg.embed_cls = true'],
    ['attention pooling of texts', text({ pool_type: 'map' }), 'text_cfg.pool_type: expected "argmax"'],
    ['an MLP as the projection', text({ proj_type: 'mlp' }), 'text_cfg.proj_type: expected "linear" or "none"'],
    [
      'no projection to another width',
      text({ proj_type: 'none', width: 640, heads: 10 }),
      'text_cfg.width: expected the same as embed_dim, 512',
    ],
    [
      'another cleaning of texts',
      text({ hf_tokenizer_name: 'x', tokenizer_kwargs: { clean: 'other' } }),
      'text_cfg.tokenizer_kwargs',
    ],
    ['CoCa', { ...open, multimodal_cfg: { width: 512 } }, 'CoCa models are not supported'],
    ['SigLIP', { ...open, init_logit_bias: -10 }, 'SigLIP models are not supported'],
    [
      'another timm model',
      vision({ timm_model_name: 'convnext_base' }),
      'vision_cfg.timm_model_name: expected "tf_efficientnet_lite0"',
    ],
    ['the variant with symmetric padding', vision({ timm_model_name: 'efficientnet_lite0' }), 'timm_model_name'],
    [
      'timm attention pooling',
      vision({ timm_model_name: 'tf_efficientnet_lite0', timm_pool: 'abs_attn' }),
      'vision_cfg.timm_pool: expected "" or "avg", got "abs_attn"',
    ],
    [
      'timm MLP projection',
      vision({ timm_model_name: 'tf_efficientnet_lite0', timm_proj: 'mlp' }),
      'vision_cfg.timm_proj',
    ],
    [
      'a size timm would pad',
      vision({ timm_model_name: 'tf_efficientnet_lite0', image_size: 225 }),
      'vision_cfg.image_size: expected a multiple of 32, got 225',
    ],
  ])('refuses %s by name', (_, config, message) => {
    expect(refusal(config)).toContain(message);
    expect(refusal({ model_cfg: config })).toContain('model_cfg.');
  });
});

describe('numbers', () => {
  it.each([
    ['text', vision({ width: '768' }), 'vision_cfg.width: expected an integer from 8 to 16384, got "768"'],
    ['fractions', vision({ layers: 2.5 }), 'vision_cfg.layers: expected an integer from 1 to 256, got 2.5'],
    ['zero', text({ layers: 0 }), 'text_cfg.layers'],
    ['negative', text({ vocab_size: -1 }), 'text_cfg.vocab_size'],
    [
      'huge',
      text({ context_length: 1e9 }),
      'text_cfg.context_length: expected an integer from 3 to 4096, got 1000000000',
    ],
    ['infinite', text({ mlp_ratio: Number.POSITIVE_INFINITY }), 'text_cfg.mlp_ratio'],
    ['not a number', text({ mlp_ratio: Number.NaN }), 'text_cfg.mlp_ratio'],
    ['an epsilon of zero', text({ norm_kwargs: { eps: 0 } }), 'text_cfg.norm_kwargs.eps'],
    ['a flag that is a number', { ...open, quick_gelu: 1 }, 'quick_gelu: expected true or false, got 1'],
    [
      'absent but required',
      { ...open, embed_dim: null },
      'embed_dim: expected an integer from 1 to 16384, got nothing',
    ],
    ['heads that do not divide', text({ heads: 7 }), 'text_cfg.heads: expected a divisor of the width, 512, got 7'],
    [
      'a width that is not in eights',
      text({ width: 100, heads: 5 }),
      'text_cfg.width: expected a multiple of 8, got 100',
    ],
    [
      'heads of a ResNet that are not in eights',
      vision({ layers: [1, 1, 1, 1], width: 24, head_width: 12 }),
      'vision_cfg.head_width: expected a multiple of 8, got 12',
    ],
    [
      'head width that does not divide',
      vision({ head_width: 80 }),
      'vision_cfg.width: expected a multiple of head_width, 80, got 768',
    ],
    [
      'an image size that is not a multiple',
      vision({ image_size: 225 }),
      'vision_cfg.image_size: expected a multiple of patch_size, 32, got 225',
    ],
    [
      'an image that is not square',
      vision({ image_size: [224, 256] }),
      'vision_cfg.image_size: expected the side of a square, got [224,256]',
    ],
  ])('%s: refused with field, expected and found', (_, config, message) => {
    expect(refusal(config)).toContain(message);
  });

  it.each([
    ['null', null],
    ['a list', []],
    ['text', 'x'],
    ['an empty object', {}],
    ['something else', { image_mean: [0.5] }],
    ['no text tower', { embed_dim: 8, vision_cfg: {} }],
    ['no vision tower', { embed_dim: 8, text_cfg: {} }],
  ])('%s is not a configuration', (_, config) => {
    expect(refusal(config)).not.toBe('accepted');
  });

  it('reads names with a meaning in JavaScript as plain names', () => {
    const named = JSON.parse('{"embed_dim": 8, "text_cfg": {}, "vision_cfg": {"__proto__": {"width": 64}}}');
    expect(refusal(named)).toContain('vision_cfg.__proto__ = {"width":64}: this option is not supported');
    expect(refusal(vision({ constructor: 1 }))).toContain('vision_cfg.constructor = 1');
  });
});
