/**
 * Hugging Face's `config.json` of a CLIP model or of one of its towers: defaults and meaning as in transformers 5,
 * configuration_clip.py and modeling_clip.py (read in version 5.24; the names of older versions are in 4.26 and 4.57).
 */
import { ClipError } from '../errors.ts';
import { Fields, type Neutral } from '../fields.ts';
import { show } from '../json.ts';
import type { ClipConfig, TextConfig, Tower, TransformerShape, VisionTransformerConfig } from './config.ts';
import { bothTowers, checkHeads, layerNormEps, MAX, squareGrid, transformerWidth } from './config-limits.ts';

/** Fields that transformers saves with every model and that no CLIP model computes with. */
const EVERY_MODEL: Neutral = {
  // Where the file comes from, and who wrote it.
  ...any('_name_or_path', 'name_or_path', '_commit_hash', 'architectures', 'model_type', 'transformers_version'),
  ...any('_class_name', '_diffusers_version', 'transformers.js_config', 'tokenizer_class', 'prefix', 'auto_map'),
  // How the weights are stored or run. The function is the same: attention implementations differ in rounding only.
  ...any('torch_dtype', 'dtype', 'torchscript', 'use_bfloat16', 'chunk_size_feed_forward', 'gradient_checkpointing'),
  ...any('attn_implementation', '_attn_implementation', '_attn_implementation_autoset', '_flash_attn_2_enabled'),
  ...any('_attn_implementation_internal', '_experts_implementation_internal', 'experts_implementation'),
  // The form of the output.
  ...any('return_dict', 'output_hidden_states', 'output_attentions', '_output_attentions', 'tie_last_hidden_states'),
  // Training and initial values: dropout is off at inference, logit_scale is in the weights.
  ...any('initializer_range', 'initializer_factor', 'logit_scale_init_value', 'tf_legacy_loss'),
  ...any('attention_dropout', 'dropout', 'hidden_dropout', 'hidden_dropout_prob', 'attention_probs_dropout_prob'),
  // Heads of other tasks. Nothing is tied in CLIP.
  ...any('id2label', 'label2id', 'num_labels', 'problem_type', 'finetuning_task', 'task_specific_params'),
  ...any('tie_word_embeddings', 'tie_encoder_decoder', 'cross_attention_hidden_size'),
  // Token ids that only the tokenizer and text generation look at. Attention is causal: padding does not matter.
  ...any('bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id', 'decoder_start_token_id'),
  // Text generation; older versions copied its defaults into every configuration.
  ...any('max_length', 'min_length', 'max_new_tokens', 'min_new_tokens', 'do_sample', 'early_stopping', 'num_beams'),
  ...any('num_beam_groups', 'diversity_penalty', 'temperature', 'top_k', 'top_p', 'min_p', 'typical_p', 'use_cache'),
  ...any('epsilon_cutoff', 'eta_cutoff', 'repetition_penalty', 'encoder_repetition_penalty', 'length_penalty'),
  ...any('no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'bad_words_ids', 'force_words_ids'),
  ...any('num_return_sequences', 'output_scores', 'output_logits', 'return_dict_in_generate'),
  ...any('forced_bos_token_id', 'forced_eos_token_id', 'remove_invalid_values', 'exponential_decay_length_penalty'),
  ...any('suppress_tokens', 'begin_suppress_tokens', 'renormalize_logits', 'guidance_scale', 'penalty_alpha'),
  // Options of other models, with the value that CLIP has.
  pruned_heads: [{}],
  ...off('is_decoder', 'is_encoder_decoder', 'add_cross_attention'),
  ...off('rope', 'use_rope', 'use_rms_norm', 'use_swiglu_ffn', 'layerscale', 'use_mean_pooling'),
  num_registers: [0],
  num_register_tokens: [0],
  post_layernorm: [true],
  qkv_bias: [true],
  attention_bias: [true],
  mlp_bias: [true],
};

const TOWER: Neutral = {
  ...EVERY_MODEL,
  // Of a whole model only the outermost projection_dim counts; a tower of its own has it read.
  projection_dim: 'any',
};

/** Classes whose weights hold one tower: which, and whether with its projection. */
const TOWER_CLASSES: Readonly<Record<string, { readonly tower: Tower; readonly projection: boolean }>> = {
  CLIPVisionModel: { tower: 'image', projection: false },
  CLIPVisionModelWithProjection: { tower: 'image', projection: true },
  CLIPTextModel: { tower: 'text', projection: false },
  CLIPTextModelWithProjection: { tower: 'text', projection: true },
};

const MODEL_TYPES = { clip: undefined, clip_vision_model: 'image', clip_text_model: 'text' } as const;
type ModelType = keyof typeof MODEL_TYPES;

export function parseHuggingFace(model: Fields, warn: (warning: string) => void): ClipConfig {
  // Other types (siglip, chinese_clip, clipseg ...) have the same fields with another meaning.
  if (/^siglip/.test(String(model.value('model_type')))) model.refuse('model_type', 'SigLIP models are');
  const type = model.oneOf('model_type', Object.keys(MODEL_TYPES) as ModelType[], 'clip');
  checkQuantization(model);
  const single = singleTower(model, type, warn);
  if (model.has('auto_map')) {
    warn(`config.json names code of its own (auto_map), which is not run: the weights are read as a "${type}"`);
  }
  if (type !== 'clip') return towerConfig(model, single!.tower, single!.projection);
  const embedDim = model.integer('projection_dim', { min: 1, max: MAX.width, or: 512 });
  const sections = { image: section(model, 'vision_config'), text: section(model, 'text_config') };
  model.refuseUnread(EVERY_MODEL, { falseIsOff: false });
  if (single) return towerConfig(sections[single.tower], single.tower, single.projection);
  return {
    embedDim,
    ...bothTowers(
      () => visionConfig(sections.image, true),
      () => textConfig(sections.text, true),
    ),
    source: 'huggingface',
  };
}

/** Which tower the weights hold, by `architectures` or, where that is absent, by the model's type; undefined for both. */
function singleTower(model: Fields, type: ModelType, warn: (warning: string) => void) {
  const tower = MODEL_TYPES[type];
  const classes = model.strings('architectures').map((name) => name.replace(/^(TF|Flax)/, ''));
  if (classes.includes('CLIPForImageClassification')) {
    model.refuse('architectures', 'classifiers with a head of their own are');
  }
  const known = classes.find((name) => name === 'CLIPModel' || Object.hasOwn(TOWER_CLASSES, name));
  if (known === undefined && classes.length > 0) {
    warn(`config.json: architectures = ${show(classes)} is not known: the weights are read as a "${type}"`);
  }
  const single = known === undefined ? undefined : TOWER_CLASSES[known];
  if (single && tower && single.tower !== tower) {
    model.fail('architectures', `a class with the ${tower} tower, as model_type = "${type}"`, classes);
  }
  return single ?? (tower && { tower, projection: true });
}

/** A tower that is a model of its own. */
function towerConfig(fields: Fields, tower: Tower, projection: boolean): ClipConfig {
  const config =
    tower === 'image' ? { vision: visionConfig(fields, projection) } : { text: textConfig(fields, projection) };
  const { width } = (config.vision ?? config.text)!;
  const embedDim = projection ? fields.integer('projection_dim', { min: 1, max: MAX.width, or: 512 }) : width;
  return { embedDim, ...config, source: 'huggingface' };
}

/**
 * A tower's part of a whole model's configuration. Versions before 4.27 wrote it twice; transformers then takes the
 * values, and also the defaults, of `..._config_dict`.
 */
function section(model: Fields, key: 'vision_config' | 'text_config'): Fields {
  const plain = model.has(key) ? model.object(key) : new Fields({}, `${key}.`);
  if (!model.has(`${key}_dict`)) return plain;
  // What only the overruled part has is kept by transformers, too.
  plain.refuseUnread({ ...TOWER, ...SHAPE }, { falseIsOff: false });
  return model.object(`${key}_dict`);
}

/** The fields that make a tower, for a part that is checked but not read. */
const SHAPE: Neutral = {
  ...any(
    'hidden_size',
    'intermediate_size',
    'num_hidden_layers',
    'num_attention_heads',
    'hidden_act',
    'layer_norm_eps',
  ),
  ...any('image_size', 'patch_size', 'num_channels', 'vocab_size', 'max_position_embeddings'),
};

function visionConfig(fields: Fields, projection: boolean): VisionTransformerConfig {
  checkSectionType(fields, 'image');
  fields.integer('num_channels', { min: 3, max: 3, or: 3 });
  const shape = transformerShape(fields, { width: 768, heads: 12, mlpWidth: 3072 });
  const tower = { kind: 'vit' as const, ...squareGrid(fields, 32), ...shape, preNorm: true, projection };
  fields.refuseUnread(TOWER, { falseIsOff: false });
  return tower;
}

/**
 * CLIPTextModel pools the largest id when `eos_token_id` is 2, a wrong value that all older configurations have, and
 * the first `eos_token_id` otherwise.
 */
function textConfig(fields: Fields, projection: boolean): TextConfig {
  checkSectionType(fields, 'text');
  const vocabSize = fields.integer('vocab_size', { min: 3, max: MAX.vocabulary, or: 49_408 });
  const id = fields.integer('eos_token_id', { min: 0, max: vocabSize - 1, or: 49_407 });
  const tower: TextConfig = {
    ...transformerShape(fields, { width: 512, heads: 8, mlpWidth: 2048 }),
    projection,
    contextLength: fields.integer('max_position_embeddings', { min: 3, max: MAX.context, or: 77 }),
    vocabSize,
    eot: id === 2 ? { rule: 'argmax' } : { rule: 'id', id },
  };
  fields.refuseUnread(TOWER, { falseIsOff: false });
  return tower;
}

/** A part may name its type; a SigLIP tower has the same fields, but another graph. */
function checkSectionType(fields: Fields, tower: Tower): void {
  const type = tower === 'image' ? 'clip_vision_model' : 'clip_text_model';
  fields.oneOf('model_type', [type, 'clip'], type);
}

function transformerShape(
  fields: Fields,
  or: { width: number; heads: number; mlpWidth: number },
): Omit<TransformerShape, 'projection'> {
  const width = transformerWidth(fields, 'hidden_size', or.width);
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

/** Options of BitsAndBytesConfig that are about 4-bit weights, or about which modules were stored how: the file shows that. */
const BITS_AND_BYTES: Neutral = {
  ...any('llm_int8_skip_modules', 'llm_int8_enable_fp32_cpu_offload', 'llm_int8_has_fp16_weight'),
  ...any('bnb_4bit_compute_dtype', 'bnb_4bit_quant_type', 'bnb_4bit_use_double_quant', 'bnb_4bit_quant_storage'),
  // bitsandbytes multiplies outliers of the activations apart, in 16 bits. Here all activations have enough bits.
  llm_int8_threshold: 'any',
};

/** Of quantized weights only LLM.int8 of bitsandbytes can be read: codes with a scale for each row. */
function checkQuantization(model: Fields): void {
  if (!model.has('quantization_config')) return;
  const fields = model.object('quantization_config');
  if (fields.has('quant_method') && fields.value('quant_method') !== 'bitsandbytes') {
    fields.refuse('quant_method', 'these quantized weights are');
  }
  for (const name of ['load_in_4bit', '_load_in_4bit']) {
    if (fields.flag(name)) fields.refuse(name, '4-bit weights are');
  }
  const eightBits = ['load_in_8bit', '_load_in_8bit'].map((name) => fields.flag(name));
  if (!eightBits.includes(true)) {
    throw new ClipError(
      'CONFIG',
      `${fields.path('load_in_8bit')}: expected true, got ${show(fields.value('load_in_8bit'))}; ` +
        'of quantized weights only 8-bit ones of bitsandbytes are supported',
    );
  }
  fields.refuseUnread(BITS_AND_BYTES, { falseIsOff: true });
}

function any(...names: string[]): Neutral {
  return Object.fromEntries(names.map((name) => [name, 'any']));
}

/** Switches that are off in CLIP. */
function off(...names: string[]): Neutral {
  return Object.fromEntries(names.map((name) => [name, [false]]));
}
