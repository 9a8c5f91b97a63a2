/**
 * OpenCLIP's configuration, `open_clip_config.json` or a file of open_clip/model_configs: defaults and meaning as in
 * open_clip/model.py, CLIPVisionCfg and CLIPTextCfg.
 */
import type { Fields } from '../fields.ts';
import type {
  ClipConfig,
  EfficientNetConfig,
  ResNetConfig,
  TextConfig,
  TransformerShape,
  VisionConfig,
  VisionTransformerConfig,
} from './config.ts';
import { bothTowers, checkHeads, layerNormEps, MAX, squareGrid, transformerWidth } from './config-limits.ts';

/**
 * EfficientNet-Lite0 as in the published tf.keras and timm code (`tf_efficientnet_lite0`). Lite does not scale the
 * stem, the head and the repeats of the first and last stage.
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

/** Options about training, initial values, tokenization or output form, and values that name what is built anyway. */
const NEUTRAL = {
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
    // Fixed or learned, the table is in the file.
    pos_embed_type: ['learnable', 'sin_cos_2d'],
    pool_type: ['tok'],
    block_type: ['default'],
    act_kwargs: [{}],
    timm_model_pretrained: 'any',
    timm_drop: 'any',
    timm_drop_path: 'any',
  },
  text: {
    hf_model_pretrained: 'any',
    output_tokens: 'any',
    final_ln_after_pool: 'any',
    // Read where the padding matters.
    pad_id: 'any',
    tokenizer_mode: ['clip'],
    block_type: ['default'],
    act_kwargs: [{}],
  },
} as const;

/** OpenCLIP's options are off by default: an unknown one that is false changes nothing. */
const SWITCHES = { falseIsOff: true };

export function parseOpenClip(model: Fields): ClipConfig {
  if (model.has('multimodal_cfg')) model.refuse('multimodal_cfg', 'CoCa models are');
  if (model.has('genlip_cfg')) model.refuse('genlip_cfg', 'models that write texts (GenLIP) are');
  for (const audio of ['audio_cfg', 'genlap_cfg']) if (model.has(audio)) model.refuse(audio, 'audio models are');
  if (model.has('init_logit_bias')) model.refuse('init_logit_bias', 'SigLIP models are');
  const embedDim = model.integer('embed_dim', { min: 1, max: MAX.width });
  const activation = model.flag('quick_gelu') ? 'quick_gelu' : 'gelu';
  const vision = model.object('vision_cfg');
  const text = model.object('text_cfg');
  model.refuseUnread(NEUTRAL.model, SWITCHES);
  return {
    embedDim,
    ...bothTowers(
      () => openClipVision(vision, activation),
      () => openClipText(text, activation, embedDim),
    ),
    source: 'openclip',
  };
}

function openClipVision(fields: Fields, activation: TransformerShape['activation']): VisionConfig {
  if (fields.has('timm_model_name')) return openClipTimm(fields);
  if (Array.isArray(fields.value('layers'))) return openClipResNet(fields);
  const width = transformerWidth(fields, 'width', 768);
  const headWidth = fields.integer('head_width', { min: 1, max: width, or: 64 });
  if (width % headWidth !== 0) {
    fields.fail('width', `a multiple of head_width, ${headWidth}`, width);
  }
  const tower: VisionTransformerConfig = {
    kind: 'vit',
    ...squareGrid(fields, 16),
    width,
    layers: fields.integer('layers', { min: 1, max: MAX.layers, or: 12 }),
    heads: width / headWidth,
    mlpWidth: openClipMlp(fields, width),
    activation,
    layerNormEps: openClipEps(fields),
    preNorm: !fields.flag('no_ln_pre'),
    projection: true,
    ...layerScale(fields),
    ...pooling(fields),
  };
  const neutral = { ...NEUTRAL.vision, pool_type: ['tok', 'avg'] };
  fields.refuseUnread({ ...neutral, timm_pool: 'any', timm_proj: 'any', timm_proj_bias: 'any' }, SWITCHES);
  return tower;
}

/** LayerScale is there or not: its initial value does not matter, the vectors are in the file. */
function layerScale(fields: Fields): { layerScale?: true } {
  if (!fields.has('ls_init_value')) return {};
  fields.number('ls_init_value', { min: 0, max: 1e6 });
  return { layerScale: true };
}

function pooling(fields: Fields): Pick<VisionTransformerConfig, 'pooling'> {
  if (fields.value('pool_type') !== 'avg') return {};
  return { pooling: fields.flag('final_ln_after_pool') ? 'meanFirst' : 'normFirst' };
}

/** A list of layers means OpenAI's ModifiedResNet. It has no patches and no MLP; its activation is ReLU. */
function openClipResNet(fields: Fields): ResNetConfig {
  const layers = fields.value('layers') as unknown[];
  const isCount = (n: unknown) => Number.isInteger(n) && (n as number) >= 1 && (n as number) <= MAX.layers;
  if (layers.length !== 4 || !layers.every(isCount)) {
    fields.fail('layers', `four integers from 1 to ${MAX.layers}, the blocks of each stage of a ResNet`, layers);
  }
  const width = fields.integer('width', { min: 2, max: MAX.width / 32, or: 768 });
  // As open_clip/model.py: vision_heads = width * 32 // head_width.
  const headWidth = fields.integer('head_width', { min: 8, max: width * 32, or: 64 });
  const heads = checkHeads(fields, 'head_width', width * 32, Math.floor((width * 32) / headWidth));
  if (((width * 32) / heads) % 8 !== 0) fields.fail('head_width', 'a multiple of 8', headWidth);
  const tower: ResNetConfig = {
    kind: 'resnet',
    imageSize: fields.square('image_size', { min: 32, max: MAX.image, or: 224 }),
    width,
    layers: layers as [number, number, number, number],
    heads,
  };
  if (tower.imageSize % 32 !== 0) fields.fail('image_size', 'a multiple of 32', tower.imageSize);
  fields.refuseUnread({ ...NEUTRAL.vision, patch_size: 'any', mlp_ratio: 'any' }, SWITCHES);
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
  fields.refuseUnread(
    {
      ...NEUTRAL.vision,
      layers: 'any',
      width: 'any',
      head_width: 'any',
      mlp_ratio: 'any',
      patch_size: 'any',
    },
    SWITCHES,
  );
  return tower;
}

function openClipText(fields: Fields, activation: TransformerShape['activation'], embedDim: number): TextConfig {
  if (fields.has('hf_model_name')) fields.refuse('hf_model_name', 'text towers from Hugging Face are');
  const width = transformerWidth(fields, 'width', 512);
  const heads = fields.integer('heads', { min: 1, max: MAX.heads, or: 8 });
  const vocabSize = fields.integer('vocab_size', { min: 3, max: MAX.vocabulary, or: 49_408 });
  const eosId = fields.integer('eos_id', { min: 0, max: vocabSize - 1, or: 2 });
  const pool = fields.oneOf('pool_type', ['argmax', 'eos', 'first', 'last'], 'argmax');
  const causal = !fields.flag('no_causal_mask');
  const tower: TextConfig = {
    width,
    layers: fields.integer('layers', { min: 1, max: MAX.layers, or: 12 }),
    heads: checkHeads(fields, 'heads', width, heads),
    mlpWidth: openClipMlp(fields, width),
    activation,
    layerNormEps: openClipEps(fields),
    ...textProjection(fields, width, embedDim),
    contextLength: fields.integer('context_length', { min: 3, max: MAX.context, or: 77 }),
    vocabSize,
    ...layerScale(fields),
    eot: pool === 'eos' ? { rule: 'id', id: eosId } : { rule: pool },
    ...(!causal && { causal }),
    // Tokens that see the whole text see its padding, too, and it is the padding that `last` pools.
    ...((!causal || pool === 'last') && { padding: fields.integer('pad_id', { min: 0, max: vocabSize - 1, or: 0 }) }),
    ...tokenization(fields),
  };
  fields.refuseUnread(NEUTRAL.text, SWITCHES);
  return tower;
}

/** A matrix, a linear layer with a bias (`proj_bias`), or none. */
function textProjection(
  fields: Fields,
  width: number,
  embedDim: number,
): Pick<TextConfig, 'projection' | 'projectionBias'> {
  const projection = fields.oneOf('proj_type', ['linear', 'none'], 'linear') === 'linear';
  if (!projection && width !== embedDim)
    fields.fail('width', `the same as embed_dim, ${embedDim}, as proj_type is none`, width);
  const bias = fields.flag('proj_bias');
  return { projection, ...(projection && bias && { projectionBias: true }) };
}

/** The arguments of OpenCLIP's tokenizers; Hugging Face's (`hf_tokenizer_name`) clean white space only by default. */
function tokenization(fields: Fields): Pick<TextConfig, 'cleaning' | 'stripSeparator'> {
  const isHuggingFace = fields.has('hf_tokenizer_name');
  const options = fields.value('tokenizer_kwargs') === undefined ? undefined : fields.object('tokenizer_kwargs');
  const cleaning =
    options?.oneOf('clean', ['lower', 'whitespace', 'canonicalize'], isHuggingFace ? 'whitespace' : 'lower') ??
    (isHuggingFace ? 'whitespace' : 'lower');
  const strip = options?.flag('strip_sep_token') ?? false;
  options?.refuseUnread({}, SWITCHES);
  return { ...((isHuggingFace || cleaning !== 'lower') && { cleaning }), ...(strip && { stripSeparator: true }) };
}

/** Python's `int(width * mlp_ratio)`. */
function openClipMlp(fields: Fields, width: number): number {
  const ratio = fields.number('mlp_ratio', { min: 1 / width, max: 64, or: 4 });
  return Math.trunc(width * ratio);
}

/** `norm_kwargs` are the arguments of torch's LayerNorm; only `eps` is supported. */
function openClipEps(fields: Fields): number {
  if (!fields.has('norm_kwargs')) return 1e-5;
  const norm = fields.object('norm_kwargs');
  const eps = layerNormEps(norm, 'eps');
  norm.refuseUnread({}, SWITCHES);
  return eps;
}
