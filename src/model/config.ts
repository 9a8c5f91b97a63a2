/**
 * The normal form of a model's configuration, and its two readers: OpenCLIP's `open_clip_config.json` (defaults and
 * meaning as in open_clip/model.py, CLIPVisionCfg and CLIPTextCfg) and Hugging Face's `config.json` of a `CLIPModel`
 * (defaults as in transformers' configuration_clip.py). What changes the arithmetic and is not built is refused by
 * name: a model that loads gives the published numbers.
 */
import { ClipError } from '../errors.ts';
import { Fields, isObject, show } from './fields.ts';

/** The two halves of a CLIP model. */
export type Tower = 'image' | 'text';

export interface TransformerShape {
  /** Length of a token's vector. */
  readonly width: number;
  readonly layers: number;
  /** Attention heads; `width / heads` is a multiple of 8. */
  readonly heads: number;
  /** Length of the vector inside the MLP. */
  readonly mlpWidth: number;
  /** `gelu` is the exact one (erf), `quick_gelu` is x * sigmoid(1.702 x). */
  readonly activation: 'gelu' | 'quick_gelu';
  readonly layerNormEps: number;
}

/** Vision Transformer, pooled at the class token. */
export interface VisionTransformerConfig extends TransformerShape {
  readonly kind: 'vit';
  /** Side of the square input in pixels, a multiple of `patch`. */
  readonly imageSize: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** Whether a LayerNorm (`ln_pre`) comes before the first block. */
  readonly preNorm: boolean;
}

/** A row of inverted-residual blocks. The first has the stride; the rest have stride 1 and `channels` in and out. */
export interface EfficientNetStage {
  readonly repeats: number;
  /** Output channels. */
  readonly channels: number;
  /** Side of the depthwise kernel. */
  readonly kernel: 3 | 5;
  readonly stride: 1 | 2;
  /** Factor from input channels to the channels of the depthwise convolution; 1 means no expansion layer. */
  readonly expansion: number;
}

/** EfficientNet-Lite: "same" padding as TensorFlow has it, ReLU6, no squeeze-and-excite, mean pooling. */
export interface EfficientNetConfig {
  readonly kind: 'efficientnet-lite';
  /** Side of the square input in pixels, a multiple of 32. */
  readonly imageSize: number;
  /** Channels after the stem (3x3, stride 2). */
  readonly stem: number;
  readonly stages: readonly EfficientNetStage[];
  /** Channels after the last 1x1 convolution: the length of the pooled vector. */
  readonly head: number;
  /** Epsilon of the batch norms. */
  readonly bnEps: number;
  /** Whether the projection to the embedding adds a bias. */
  readonly projectionBias: boolean;
}

/** Causal text transformer. */
export interface TextConfig extends TransformerShape {
  /** The most tokens a text may have, BOS and EOT included. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** Which token is pooled: the first with the largest id, or the first with this id (the first token if none has). */
  readonly eot: { readonly rule: 'argmax' } | { readonly rule: 'id'; readonly id: number };
}

export interface ClipConfig {
  /** Length of an embedding. */
  readonly embedDim: number;
  readonly vision: VisionTransformerConfig | EfficientNetConfig;
  readonly text: TextConfig;
  /** Whose form of configuration this was read from. */
  readonly source: 'openclip' | 'huggingface';
}

/** Upper bounds that no CLIP model comes near; above them a configuration is taken to be damaged. */
const MAX = { width: 16_384, layers: 256, heads: 256, image: 4096, context: 4096, vocabulary: 4_194_304 };

/**
 * EfficientNet-Lite0 as in the published tf.keras and timm code (`tf_efficientnet_lite0`). Lite leaves stem, head and
 * the first and last stage's repeats unscaled.
 */
const EFFICIENTNET_LITE0 = {
  kind: 'efficientnet-lite',
  stem: 32,
  stages: [
    { repeats: 1, channels: 16, kernel: 3, stride: 1, expansion: 1 },
    { repeats: 2, channels: 24, kernel: 3, stride: 2, expansion: 6 },
    { repeats: 2, channels: 40, kernel: 5, stride: 2, expansion: 6 },
    { repeats: 3, channels: 80, kernel: 3, stride: 2, expansion: 6 },
    { repeats: 3, channels: 112, kernel: 5, stride: 1, expansion: 6 },
    { repeats: 4, channels: 192, kernel: 5, stride: 2, expansion: 6 },
    { repeats: 1, channels: 320, kernel: 3, stride: 1, expansion: 6 },
  ],
  head: 1280,
  bnEps: 1e-3,
} as const satisfies Partial<EfficientNetConfig>;

/**
 * Reads the parsed JSON of `open_clip_config.json`, of a bare OpenCLIP model configuration (the files in
 * open_clip/model_configs), or of a Hugging Face `config.json` of a `CLIPModel`.
 * @throws ClipError `CONFIG` that names the field, what was expected and what came.
 */
export function parseConfig(json: unknown): ClipConfig {
  if (!isObject(json)) throw new ClipError('CONFIG', `model configuration: expected an object, got ${show(json)}`);
  if (isObject(json.model_cfg)) return parseOpenClip(new Fields(json.model_cfg, 'model_cfg'));
  if ('vision_cfg' in json || 'text_cfg' in json) return parseOpenClip(new Fields(json, ''));
  if ('model_type' in json || 'vision_config' in json || 'text_config' in json) return parseHuggingFace(json);
  throw new ClipError(
    'CONFIG',
    "model configuration: expected OpenCLIP's model_cfg or Hugging Face's vision_config and text_config, " +
      `got the keys ${Object.keys(json).slice(0, 8).join(', ') || '(none)'}`,
  );
}

// ---- OpenCLIP ----

/** Options that are only about training, initial values, tokenizing or output form, or name what is built anyway. */
const OPENCLIP_NEUTRAL = {
  model: {
    init_logit_scale: 'any',
    nonscalar_logit_scale: 'any',
    output_dict: 'any',
    cast_dtype: 'any',
    custom_text: 'any',
  },
  vision: {
    patch_dropout: 'any',
    output_tokens: 'any',
    // With the class token pooled, the last LayerNorm is the same before and after pooling.
    final_ln_after_pool: 'any',
    attn_pooler_queries: 'any',
    attn_pooler_heads: 'any',
    // Fixed or learnt, the table is in the file.
    pos_embed_type: ['learnable', 'sin_cos_2d'],
    pool_type: ['tok'],
    block_type: ['default'],
    act_kwargs: [{}],
    timm_model_pretrained: 'any',
    timm_drop: 'any',
    timm_drop_path: 'any',
  },
  text: {
    hf_tokenizer_name: 'any',
    hf_model_pretrained: 'any',
    output_tokens: 'any',
    final_ln_after_pool: 'any',
    // Causal and pooled before the padding: what the padding is does not matter.
    pad_id: 'any',
    pool_type: ['argmax', 'eos'],
    proj_type: ['linear'],
    tokenizer_mode: ['clip'],
    tokenizer_kwargs: [{}, { clean: 'lower' }],
    block_type: ['default'],
    act_kwargs: [{}],
  },
} as const;

function parseOpenClip(model: Fields): ClipConfig {
  if (model.has('multimodal_cfg')) model.refuse('multimodal_cfg', 'CoCa models are');
  if (model.has('audio_cfg')) model.refuse('audio_cfg', 'audio models are');
  if (model.has('init_logit_bias')) model.refuse('init_logit_bias', 'SigLIP models are');
  const embedDim = model.integer('embed_dim', { min: 1, max: MAX.width });
  const activation = model.flag('quick_gelu') ? 'quick_gelu' : 'gelu';
  const vision = model.object('vision_cfg');
  const text = model.object('text_cfg');
  model.refuseUnread(OPENCLIP_NEUTRAL.model);
  return {
    embedDim,
    vision: openClipVision(vision, activation),
    text: openClipText(text, activation),
    source: 'openclip',
  };
}

function openClipVision(fields: Fields, activation: TransformerShape['activation']): ClipConfig['vision'] {
  if (fields.has('timm_model_name')) return openClipTimm(fields);
  if (Array.isArray(fields.value('layers'))) {
    throw new ClipError('CONFIG', `${fields.path('layers')} is a list: ResNet image towers are not supported yet`);
  }
  const width = fields.integer('width', { min: 8, max: MAX.width, or: 768 });
  const headWidth = fields.integer('head_width', { min: 8, max: width, or: 64 });
  if (width % headWidth !== 0) {
    fields.fail('width', `a multiple of head_width, ${headWidth}`, width);
  }
  const tower: VisionTransformerConfig = {
    kind: 'vit',
    ...squareGrid(fields, 16),
    width,
    layers: fields.integer('layers', { min: 1, max: MAX.layers, or: 12 }),
    heads: checkHeads(fields, 'head_width', width, width / headWidth),
    mlpWidth: openClipMlp(fields, width),
    activation,
    layerNormEps: openClipEps(fields),
    preNorm: !fields.flag('no_ln_pre'),
  };
  fields.refuseUnread({ ...OPENCLIP_NEUTRAL.vision, timm_pool: 'any', timm_proj: 'any', timm_proj_bias: 'any' });
  return tower;
}

/** A valid timm name overrides layers, width and patch size; the activation is the timm model's own. */
function openClipTimm(fields: Fields): EfficientNetConfig {
  const name = fields.value('timm_model_name');
  // timm names its weights after a dot, e.g. "tf_efficientnet_lite0.in1k".
  if (typeof name !== 'string' || name.replace(/\..*$/, '') !== 'tf_efficientnet_lite0') {
    fields.fail('timm_model_name', '"tf_efficientnet_lite0", the one that is supported', name);
  }
  fields.oneOf('timm_pool', ['', 'avg'], 'avg');
  fields.oneOf('timm_proj', ['linear'], 'linear');
  const tower: EfficientNetConfig = {
    ...EFFICIENTNET_LITE0,
    imageSize: fields.square('image_size', { min: 32, max: MAX.image, or: 224 }),
    projectionBias: fields.flag('timm_proj_bias'),
  };
  if (tower.imageSize % 32 !== 0) fields.fail('image_size', 'a multiple of 32', tower.imageSize);
  fields.refuseUnread({
    ...OPENCLIP_NEUTRAL.vision,
    layers: 'any',
    width: 'any',
    head_width: 'any',
    mlp_ratio: 'any',
    patch_size: 'any',
  });
  return tower;
}

function openClipText(fields: Fields, activation: TransformerShape['activation']): TextConfig {
  if (fields.has('hf_model_name')) fields.refuse('hf_model_name', 'text towers from Hugging Face are');
  const width = fields.integer('width', { min: 8, max: MAX.width, or: 512 });
  const heads = fields.integer('heads', { min: 1, max: MAX.heads, or: 8 });
  const vocabSize = fields.integer('vocab_size', { min: 3, max: MAX.vocabulary, or: 49_408 });
  const eosId = fields.integer('eos_id', { min: 0, max: vocabSize - 1, or: 2 });
  const tower: TextConfig = {
    width,
    layers: fields.integer('layers', { min: 1, max: MAX.layers, or: 12 }),
    heads: checkHeads(fields, 'heads', width, heads),
    mlpWidth: openClipMlp(fields, width),
    activation,
    layerNormEps: openClipEps(fields),
    contextLength: fields.integer('context_length', { min: 3, max: MAX.context, or: 77 }),
    vocabSize,
    eot: fields.value('pool_type') === 'eos' ? { rule: 'id', id: eosId } : { rule: 'argmax' },
  };
  fields.refuseUnread(OPENCLIP_NEUTRAL.text);
  return tower;
}

/** Python's `int(width * mlp_ratio)`. */
function openClipMlp(fields: Fields, width: number): number {
  const ratio = fields.number('mlp_ratio', { min: 1 / width, max: 64, or: 4 });
  return Math.trunc(width * ratio);
}

/** `norm_kwargs` are the arguments of torch's LayerNorm, of which only `eps` can be taken over. */
function openClipEps(fields: Fields): number {
  if (!fields.has('norm_kwargs')) return 1e-5;
  const norm = fields.object('norm_kwargs');
  const eps = layerNormEps(norm, 'eps');
  norm.refuseUnread({});
  return eps;
}

// ---- Hugging Face ----

function parseHuggingFace(json: Record<string, unknown>): ClipConfig {
  const model = new Fields(json, '');
  // Other types (siglip, clip_text_model, chinese_clip, clipseg ...) have the same fields and another meaning.
  model.oneOf('model_type', ['clip'], 'clip');
  const embedDim = model.integer('projection_dim', { min: 1, max: MAX.width, or: 512 });
  return {
    embedDim,
    vision: huggingFaceVision(huggingFaceTower(model, 'vision_config')),
    text: huggingFaceText(huggingFaceTower(model, 'text_config')),
    source: 'huggingface',
  };
}

/** Configurations written before transformers 4.27 repeat a tower as `..._config_dict`, and there that one counts. */
function huggingFaceTower(model: Fields, key: 'vision_config' | 'text_config'): Fields {
  if (model.has(`${key}_dict`)) return model.object(`${key}_dict`);
  return model.has(key) ? model.object(key) : new Fields({}, key);
}

function huggingFaceVision(fields: Fields): VisionTransformerConfig {
  fields.integer('num_channels', { min: 3, max: 3, or: 3 });
  const shape = huggingFaceShape(fields, { width: 768, heads: 12, mlpWidth: 3072 });
  return { kind: 'vit', ...squareGrid(fields, 32), ...shape, preNorm: true };
}

/**
 * CLIPTextTransformer pools the largest id when `eos_token_id` is 2, a wrong value that all older configurations carry,
 * and the first `eos_token_id` otherwise.
 */
function huggingFaceText(fields: Fields): TextConfig {
  const vocabSize = fields.integer('vocab_size', { min: 3, max: MAX.vocabulary, or: 49_408 });
  const id = fields.integer('eos_token_id', { min: 0, max: vocabSize - 1, or: 49_407 });
  return {
    ...huggingFaceShape(fields, { width: 512, heads: 8, mlpWidth: 2048 }),
    contextLength: fields.integer('max_position_embeddings', { min: 3, max: MAX.context, or: 77 }),
    vocabSize,
    eot: id === 2 ? { rule: 'argmax' } : { rule: 'id', id },
  };
}

function huggingFaceShape(fields: Fields, or: { width: number; heads: number; mlpWidth: number }): TransformerShape {
  const width = fields.integer('hidden_size', { min: 8, max: MAX.width, or: or.width });
  const heads = fields.integer('num_attention_heads', { min: 1, max: MAX.heads, or: or.heads });
  return {
    width,
    layers: fields.integer('num_hidden_layers', { min: 1, max: MAX.layers, or: 12 }),
    heads: checkHeads(fields, 'num_attention_heads', width, heads),
    mlpWidth: fields.integer('intermediate_size', { min: 1, max: 4 * MAX.width, or: or.mlpWidth }),
    activation: fields.oneOf('hidden_act', ['gelu', 'quick_gelu'], 'quick_gelu'),
    layerNormEps: layerNormEps(fields, 'layer_norm_eps'),
  };
}

// ---- both ----

/** Each head must be a multiple of 8 wide, the number of columns that the kernels take at once. */
function checkHeads(fields: Fields, key: string, width: number, heads: number): number {
  if (width % heads !== 0) fields.fail(key, `a divisor of the width, ${width}`, heads);
  if ((width / heads) % 8 !== 0) {
    throw new ClipError(
      'CONFIG',
      `${fields.path(key)}: expected heads whose width is a multiple of 8, got ${width / heads} (${width} / ${heads})`,
    );
  }
  return heads;
}

function squareGrid(fields: Fields, patchDefault: number): { imageSize: number; patch: number } {
  const patch = fields.square('patch_size', { min: 1, max: MAX.image, or: patchDefault });
  const imageSize = fields.square('image_size', { min: 1, max: MAX.image, or: 224 });
  if (imageSize % patch !== 0) fields.fail('image_size', `a multiple of patch_size, ${patch}`, imageSize);
  return { imageSize, patch };
}

function layerNormEps(fields: Fields, key: string): number {
  return fields.number(key, { min: Number.MIN_VALUE, max: 1, or: 1e-5 });
}
