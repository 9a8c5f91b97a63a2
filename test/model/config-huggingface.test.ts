import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { configTowers } from '../../src/model/config.ts';
import { parseConfig } from './parse-config.ts';

const json = async (path: string) => JSON.parse(await readFile(`test/golden/${path}`, 'utf8'));
const saved = (name: string) => json(`huggingface-configs/${name}.json`);

function refusal(config: unknown): string {
  try {
    parseConfig(config);
  } catch (error) {
    expect(error).toMatchObject({ name: 'ClipError', code: 'CONFIG' });
    return (error as Error).message;
  }
  return 'accepted';
}

function warnings(config: unknown): string[] {
  const seen: string[] = [];
  parseConfig(config, (warning) => seen.push(warning));
  return seen;
}

const small = await json('tiny-vit-hf/config.json');
const clip = { model_type: 'clip' };
const withVision = (changes: object) => ({ ...small, vision_config: { ...small.vision_config, ...changes } });
const withText = (changes: object) => ({ ...small, text_config: { ...small.text_config, ...changes } });

describe("Hugging Face's configuration", () => {
  it('reads the golden model', async () => {
    const config = parseConfig(small);
    const openclip = parseConfig(await json('tiny-vit/open_clip_config.json'));
    expect(config).toEqual({
      ...openclip,
      source: 'huggingface',
      text: { ...openclip.text, eot: { rule: 'id', id: 599 } },
    });
  });

  it('fills in the published defaults: ViT-B/32', () => {
    expect(parseConfig(clip)).toMatchObject({
      embedDim: 512,
      vision: {
        imageSize: 224,
        patch: 32,
        width: 768,
        layers: 12,
        heads: 12,
        mlpWidth: 3072,
        activation: 'quick_gelu',
        layerNormEps: 1e-5,
        projection: true,
      },
      text: {
        width: 512,
        heads: 8,
        layers: 12,
        mlpWidth: 2048,
        contextLength: 77,
        vocabSize: 49408,
        eot: { rule: 'id', id: 49407 },
        projection: true,
      },
    });
  });

  it('pools the largest id where eos_token_id is 2, the old wrong value', () => {
    expect(parseConfig({ text_config: { eos_token_id: 2 } }).text?.eot).toEqual({ rule: 'argmax' });
  });

  it('lets a text_config_dict overrule text_config, as transformers does', () => {
    const config = parseConfig({
      model_type: 'clip',
      text_config: { hidden_size: 512 },
      text_config_dict: { hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072 },
      vision_config: { hidden_size: 1024, num_attention_heads: 16 },
      vision_config_dict: null,
    });
    expect(config.text).toMatchObject({ width: 768, heads: 12, mlpWidth: 3072 });
    expect(config.vision).toMatchObject({ width: 1024, heads: 16 });
  });

  it.each([
    [
      'another model',
      { model_type: 'chinese_clip', vision_config: {} },
      'model_type: expected "clip" or "clip_vision_model"',
    ],
    ['SigLIP', { model_type: 'siglip', vision_config: {} }, 'model_type = "siglip": SigLIP models are not supported'],
    ['SigLIP 2', { model_type: 'siglip2', vision_config: {} }, 'model_type = "siglip2": SigLIP models are'],
    [
      "SigLIP's image tower alone",
      { model_type: 'siglip_vision_model', hidden_size: 64 },
      'model_type = "siglip_vision_model": SigLIP models are not supported',
    ],
    [
      'a tower of another model',
      withVision({ model_type: 'siglip_vision_model' }),
      'vision_config.model_type: expected "clip_vision_model" or "clip", got "siglip_vision_model"',
    ],
    [
      'another activation',
      { vision_config: { hidden_act: 'gelu_new' } },
      'vision_config.hidden_act: expected "gelu" or "quick_gelu", got "gelu_new"',
    ],
    ['other channels', { vision_config: { num_channels: 4 } }, 'vision_config.num_channels: expected 3, got 4'],
    [
      'an end token outside the vocabulary',
      { text_config: { vocab_size: 600 } },
      'text_config.eos_token_id: expected an integer from 0 to 599, got 49407',
    ],
    ['several end tokens', { text_config: { eos_token_id: [1, 2] } }, 'text_config.eos_token_id'],
    [
      'a tower that is not an object',
      { text_config: 'x', vision_config: {} },
      'text_config: expected an object, got "x"',
    ],
    ['a list of sizes with nulls', withVision({ image_size: [null, null] }), 'vision_config.image_size'],
    [
      'a classifier with a head of its own',
      { ...small, architectures: ['CLIPForImageClassification'] },
      'architectures = ["CLIPForImageClassification"]: classifiers',
    ],
    ['architectures that are not names', { ...small, architectures: [1] }, 'architectures: expected a list of strings'],
  ])('refuses %s', (_, config, message) => {
    expect(refusal(config)).toContain(message);
  });
});

describe('B25: options that change the arithmetic are refused by name', () => {
  const options: [string, unknown][] = [
    ['num_registers', 4],
    ['num_register_tokens', 4],
    ['use_rms_norm', true],
    ['rope', {}],
    ['rope', true],
    ['rope_theta', 10000],
    ['attention_type', 'x'],
    ['post_layernorm', false],
    ['post_layernorm', 'none'],
    ['qkv_bias', false],
    ['pruned_heads', { 0: [1] }],
    ['is_decoder', true],
    ['per_layer_config', { 0: { hidden_act: 'gelu' } }],
    ['pool_type', 'avg'],
    ['constructor', 1],
    ['an option of next year', 0],
  ];

  it.each(options)('%s = %j', (key, value) => {
    expect(refusal(withVision({ [key]: value }))).toContain(`vision_config.${key} = `);
    expect(refusal(withText({ [key]: value }))).toContain(`text_config.${key} = `);
    expect(refusal({ ...small, [key]: value })).toMatch(new RegExp(`^${key} = `));
    for (const tower of ['vision', 'text']) {
      const alone = { ...small[`${tower}_config`], model_type: `clip_${tower}_model`, [key]: value };
      expect(refusal(alone)).toMatch(new RegExp(`^${key} = `));
    }
    // The part that a config_dict overrules still counts: transformers keeps what only it has.
    const overruled = { ...withVision({ [key]: value }), vision_config_dict: small.vision_config };
    expect(refusal(overruled)).toContain(`vision_config.${key} = `);
    expect(refusal({ ...small, vision_config_dict: { ...small.vision_config, [key]: value } })).toContain(
      `vision_config_dict.${key} = `,
    );
  });

  it('but an option that is null, or has the value that CLIP has, changes nothing', () => {
    const plain = parseConfig(small);
    const neutral = {
      rope: null,
      an_option_of_next_year: null,
      use_rms_norm: false,
      num_registers: 0,
      post_layernorm: true,
      qkv_bias: true,
    };
    expect(parseConfig(withVision(neutral))).toEqual(plain);
    expect(parseConfig(withText(neutral))).toEqual(plain);
    expect(parseConfig({ ...small, ...neutral })).toEqual(plain);
  });

  it('code of its own is refused with fields that CLIP does not have, and gets a warning without', () => {
    const auto_map = { AutoModel: 'modeling_longer.LongerModel' };
    expect(refusal({ ...withText({ num_experts: 4 }), auto_map })).toContain('text_config.num_experts = 4');
    expect(warnings({ ...small, auto_map })).toEqual([expect.stringContaining('auto_map')]);
    expect(warnings({ ...small, architectures: ['LongerModel'] })).toEqual([
      expect.stringContaining('architectures = ["LongerModel"]'),
    ]);
    expect(warnings(small)).toEqual([]);
  });
});

describe('configurations as they are published', () => {
  it.each(['4.26', '4.57', '5.24'])('transformers %s: ViT-H/14', async (version) => {
    const config = await saved(`model-${version}`);
    expect(warnings(config)).toEqual([]);
    expect(parseConfig(config)).toMatchObject({
      embedDim: 1024,
      vision: { width: 1280, layers: 32, heads: 16, mlpWidth: 5120, patch: 14, imageSize: 224, activation: 'gelu' },
      text: { width: 1024, layers: 24, heads: 16, mlpWidth: 4096, activation: 'gelu', contextLength: 77 },
    });
  });

  it("LAION's: each tower twice, the second time without the defaults", async () => {
    const config = await saved('model-4.26');
    const { hidden_act, hidden_size, intermediate_size, num_attention_heads, num_hidden_layers } = config.text_config;
    const dict = { hidden_act, hidden_size, intermediate_size, num_attention_heads, num_hidden_layers };
    expect(parseConfig({ ...config, text_config_dict: dict })).toEqual({
      ...parseConfig(config),
      // transformers fills in the default, which the newest versions have right.
      text: { ...parseConfig(config).text, eot: { rule: 'id', id: 49407 } },
    });
  });

  it('OpenAI: clip-vit-base-patch32', async () => {
    const config = await saved('model-4.16');
    expect(parseConfig(config)).toEqual({
      ...parseConfig(clip),
      text: { ...parseConfig(clip).text, eot: { rule: 'argmax' } },
    });
  });

  it('OpenAI: clip-vit-large-patch14-336', async () => {
    const base = await saved('model-4.16');
    const large = {
      ...base,
      _name_or_path: 'openai/clip-vit-large-patch14-336',
      projection_dim: 768,
      torch_dtype: 'float32',
      text_config: { ...base.text_config, hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 },
      text_config_dict: { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12, num_hidden_layers: 12 },
      vision_config: { ...base.vision_config, hidden_size: 1024, intermediate_size: 4096, image_size: 336 },
      vision_config_dict: {
        hidden_size: 1024,
        image_size: 336,
        intermediate_size: 4096,
        num_attention_heads: 16,
        num_hidden_layers: 24,
        patch_size: 14,
      },
    };
    expect(parseConfig(large)).toMatchObject({
      embedDim: 768,
      vision: { width: 1024, layers: 24, heads: 16, patch: 14, imageSize: 336 },
      text: { width: 768, heads: 12 },
    });
  });

  it.each([
    // What versions from 4.27 save of a fine-tuned ViT-B/32: FashionCLIP, MetaCLIP, StreetCLIP.
    ['only what differs from the defaults', 'quick_gelu', { dropout: 0.0 }],
    // TinyCLIP and DFN, exported from OpenCLIP.
    [
      'exported from OpenCLIP',
      'gelu',
      { dropout: 0.0, hidden_act: 'gelu', use_cache: true, gradient_checkpointing: false },
    ],
  ])('%s', (_, activation, tower) => {
    const config = {
      _name_or_path: 'openai/clip-vit-base-patch32',
      architectures: ['CLIPModel'],
      initializer_factor: 1.0,
      logit_scale_init_value: 2.6592,
      model_type: 'clip',
      projection_dim: 512,
      text_config: { bos_token_id: 0, eos_token_id: 2, model_type: 'clip_text_model', ...tower },
      torch_dtype: 'float32',
      transformers_version: '4.35.2',
      vision_config: { model_type: 'clip_vision_model', ...tower },
      'transformers.js_config': { use_external_data_format: false },
    };
    expect(parseConfig(config)).toMatchObject({ embedDim: 512, vision: { activation }, text: { activation } });
    expect(warnings(config)).toEqual([]);
  });
});

describe('a tower that is a model of its own', () => {
  it.each(['4.26', '4.57', '5.24'])('transformers %s: CLIPVisionModel, without its projection', async (version) => {
    const config = parseConfig(await saved(`vision-${version}`));
    expect(configTowers(config)).toEqual(['image']);
    expect(config).not.toHaveProperty('text');
    expect(config).toMatchObject({ embedDim: 1024, vision: { width: 1024, imageSize: 336, projection: false } });
  });

  it.each(['4.26', '4.57', '5.24'])('transformers %s: CLIPTextModelWithProjection', async (version) => {
    const config = parseConfig(await saved(`text-${version}`));
    expect(configTowers(config)).toEqual(['text']);
    expect(config).not.toHaveProperty('vision');
    expect(config).toMatchObject({ embedDim: 1280, text: { width: 1280, heads: 20, projection: true } });
  });

  it("IP-Adapter's image encoder, and the text encoder of Stable Diffusion", () => {
    const shared = { attention_dropout: 0.0, dropout: 0.0, initializer_factor: 1.0, initializer_range: 0.02 };
    const image = {
      ...shared,
      _name_or_path: './image_encoder',
      architectures: ['CLIPVisionModelWithProjection'],
      hidden_act: 'gelu',
      hidden_size: 1280,
      image_size: 224,
      intermediate_size: 5120,
      layer_norm_eps: 1e-5,
      model_type: 'clip_vision_model',
      num_attention_heads: 16,
      num_channels: 3,
      num_hidden_layers: 32,
      patch_size: 14,
      projection_dim: 1024,
      torch_dtype: 'float16',
      transformers_version: '4.28.0.dev0',
    };
    expect(parseConfig(image)).toMatchObject({ embedDim: 1024, vision: { width: 1280, projection: true } });
    const text = {
      ...shared,
      _name_or_path: 'openai/clip-vit-large-patch14',
      architectures: ['CLIPTextModel'],
      bos_token_id: 0,
      eos_token_id: 2,
      hidden_act: 'quick_gelu',
      hidden_size: 768,
      intermediate_size: 3072,
      layer_norm_eps: 1e-5,
      max_position_embeddings: 77,
      model_type: 'clip_text_model',
      num_attention_heads: 12,
      num_hidden_layers: 12,
      pad_token_id: 1,
      projection_dim: 768,
      torch_dtype: 'float32',
      transformers_version: '4.26.0',
      vocab_size: 49408,
    };
    expect(parseConfig(text)).toMatchObject({ embedDim: 768, text: { projection: false, eot: { rule: 'argmax' } } });
  });

  it('by its class, where the configuration is of both towers', () => {
    const config = parseConfig({ ...small, architectures: ['CLIPVisionModelWithProjection'] });
    expect(config).toEqual({ embedDim: 96, vision: parseConfig(small).vision, source: 'huggingface' });
    expect(parseConfig({ ...small, architectures: ['CLIPTextModel'] })).toMatchObject({
      embedDim: 128,
      text: { projection: false },
    });
  });

  it('with its projection where no class is named', () => {
    const { architectures: _, ...vision } = {
      ...small.vision_config,
      architectures: [],
      model_type: 'clip_vision_model',
    };
    expect(parseConfig(vision)).toMatchObject({ embedDim: 96, vision: { projection: true } });
  });

  it('is refused if its class is of the other tower', () => {
    const config = { model_type: 'clip_text_model', architectures: ['CLIPVisionModel'] };
    expect(refusal(config)).toContain('architectures: expected a class with the text tower');
  });
});

describe('quantized weights', () => {
  const quantized = (quantization_config: unknown) => ({ ...small, quantization_config });
  // BitsAndBytesConfig.to_dict() of transformers 4.57.
  const int8 = {
    _load_in_4bit: false,
    _load_in_8bit: true,
    bnb_4bit_compute_dtype: 'float32',
    bnb_4bit_quant_storage: 'uint8',
    bnb_4bit_quant_type: 'fp4',
    bnb_4bit_use_double_quant: false,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: null,
    llm_int8_threshold: 6.0,
    load_in_4bit: false,
    load_in_8bit: true,
    quant_method: 'bitsandbytes',
  };

  it('B02: LLM.int8 of bitsandbytes is accepted, from newer and older versions', () => {
    expect(parseConfig(quantized(int8))).toEqual(parseConfig(small));
    expect(parseConfig(quantized({ load_in_8bit: true, llm_int8_threshold: 6.0 }))).toEqual(parseConfig(small));
    const alone = { ...small.vision_config, model_type: 'clip_vision_model', quantization_config: int8 };
    expect(parseConfig(alone).vision).toEqual(parseConfig(small).vision);
  });

  it.each([
    ['4 bits', { ...int8, load_in_8bit: false, load_in_4bit: true }, 'quantization_config.load_in_4bit = true'],
    ['4 bits, privately', { ...int8, _load_in_4bit: true }, 'quantization_config._load_in_4bit = true'],
    ['neither', { quant_method: 'bitsandbytes' }, 'quantization_config.load_in_8bit: expected true, got nothing'],
    ['GPTQ', { quant_method: 'gptq', bits: 8 }, 'quantization_config.quant_method = "gptq"'],
    ['AWQ', { quant_method: 'awq', bits: 4 }, 'quantization_config.quant_method = "awq"'],
    ['FP8', { quant_method: 'fp8' }, 'quantization_config.quant_method = "fp8"'],
    ['FP8 that says 8 bits', { quant_method: 'fbgemm_fp8', load_in_8bit: true }, '"fbgemm_fp8"'],
    ['an unknown option', { ...int8, outlier_mode: 2 }, 'quantization_config.outlier_mode = 2'],
    ['not an object', 'int8', 'quantization_config: expected an object, got "int8"'],
  ])('%s: refused by name', (_, config, message) => {
    expect(refusal(quantized(config))).toContain(message);
  });
});

describe('JSON that is meant to break its reader', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

  it.each(['projection_dim', 'text_config', 'vision_config', 'architectures', 'quantization_config', 'unknown'])(
    'nested too deep for the stack in %s: a typed error',
    (key) => {
      expect(refusal(JSON.parse(`{"model_type":"clip","${key}":${deep}}`))).toContain(key);
    },
  );

  it('numbers that JSON cannot hold are shown as they are', () => {
    expect(refusal({ ...small, projection_dim: Number.NaN })).toContain('got NaN');
    expect(refusal(JSON.parse('{"model_type":"clip","projection_dim":1e999}'))).toContain('got Infinity');
  });
});
