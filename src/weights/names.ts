/**
 * What the tensors are called. This package uses OpenCLIP's names (which are OpenAI's): `visual.` before everything of
 * the image tower, nothing before the text tower's. For each wanted tensor this file knows where OpenCLIP and Hugging
 * Face keep it and in which shape.
 */
import { ClipError } from '../errors.ts';
import type { ClipConfig, EfficientNetConfig, TextConfig, Tower, TransformerShape } from '../model/config.ts';
import { requireReadable } from './elements.ts';
import type { SafetensorsFile, TensorInfo } from './safetensors.ts';

export type { Tower };

/** Whose names a file uses. `openclip` includes OpenAI's own checkpoints. */
export type Layout = 'openclip' | 'huggingface';

/** Where a layout keeps a tensor. */
export interface StoredTensor {
  /** Names in the file. More than one: their rows follow each other (Hugging Face splits query, key and value). */
  readonly names: readonly string[];
  /** Shape of each of them as stored. */
  readonly shape: readonly number[];
  /** The file holds [in, out], and the wanted tensor is its transpose. */
  readonly transpose: boolean;
}

/** A tensor that a tower needs. */
export interface WantedTensor {
  /** The canonical name. */
  readonly name: string;
  /** Shape once joined and transposed. Weights of linear layers are always [out, in]. */
  readonly shape: readonly number[];
  readonly openclip: StoredTensor;
  /** Absent if there is no such model on that side (EfficientNet towers). */
  readonly huggingface?: StoredTensor;
}

/** A wanted tensor and where in a file it is: read `parts` in order, then transpose if so said. */
export interface ResolvedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly parts: readonly TensorInfo[];
  readonly transpose: boolean;
}

/** Every tensor of a tower. `logit_scale` (shape [], the logarithm of the scale) belongs to both. */
export function wantedTensors(config: ClipConfig, tower: Tower): WantedTensor[] {
  const { embedDim } = config;
  const scale = same('logit_scale', [], 'logit_scale');
  if (tower === 'text') return [...textTensors(config.text!, embedDim), scale];
  const vision = config.vision!;
  if (vision.kind === 'efficientnet-lite') return [...efficientNetTensors(vision, embedDim), scale];
  const { width, patch, preNorm } = vision;
  const positions = (vision.imageSize / patch) ** 2 + 1;
  return [
    same('visual.class_embedding', [width], 'vision_model.embeddings.class_embedding'),
    same('visual.positional_embedding', [positions, width], 'vision_model.embeddings.position_embedding.weight'),
    same('visual.conv1.weight', [width, 3, patch, patch], 'vision_model.embeddings.patch_embedding.weight'),
    // "layrnorm" is how transformers spells it.
    ...(preNorm ? affine('visual.ln_pre', width, 'vision_model.pre_layrnorm') : []),
    ...blockTensors('visual.transformer.resblocks', vision, 'vision_model.encoder.layers'),
    ...affine('visual.ln_post', width, 'vision_model.post_layernorm'),
    projection('visual.proj', width, embedDim, 'visual_projection.weight'),
    scale,
  ];
}

function textTensors(text: TextConfig, embedDim: number): WantedTensor[] {
  const { width, vocabSize, contextLength } = text;
  return [
    same('token_embedding.weight', [vocabSize, width], 'text_model.embeddings.token_embedding.weight'),
    same('positional_embedding', [contextLength, width], 'text_model.embeddings.position_embedding.weight'),
    ...blockTensors('transformer.resblocks', text, 'text_model.encoder.layers'),
    ...affine('ln_final', width, 'text_model.final_layer_norm'),
    projection('text_projection', width, embedDim, 'text_projection.weight'),
  ];
}

function blockTensors(prefix: string, shape: TransformerShape, huggingFacePrefix: string): WantedTensor[] {
  const { width, layers, mlpWidth } = shape;
  return Array.from({ length: layers }, (_, layer) => {
    const ours = `${prefix}.${layer}`;
    const theirs = `${huggingFacePrefix}.${layer}`;
    const attention = ['q', 'k', 'v'].map((which) => `${theirs}.self_attn.${which}_proj`);
    const joined = (kind: 'weight' | 'bias', columns: number[]): WantedTensor => ({
      name: `${ours}.attn.in_proj_${kind}`,
      shape: [3 * width, ...columns],
      openclip: stored([`${ours}.attn.in_proj_${kind}`], [3 * width, ...columns]),
      huggingface: stored(
        attention.map((name) => `${name}.${kind}`),
        [width, ...columns],
      ),
    });
    return [
      ...affine(`${ours}.ln_1`, width, `${theirs}.layer_norm1`),
      joined('weight', [width]),
      joined('bias', []),
      ...linear(`${ours}.attn.out_proj`, width, width, `${theirs}.self_attn.out_proj`),
      ...affine(`${ours}.ln_2`, width, `${theirs}.layer_norm2`),
      ...linear(`${ours}.mlp.c_fc`, width, mlpWidth, `${theirs}.mlp.fc1`),
      ...linear(`${ours}.mlp.c_proj`, mlpWidth, width, `${theirs}.mlp.fc2`),
    ];
  }).flat();
}

/** timm's names: conv_pw expands, conv_dw is depthwise, conv_pwl projects; without expansion conv_pw projects. */
function efficientNetTensors(config: EfficientNetConfig, embedDim: number): WantedTensor[] {
  const trunk = 'visual.trunk';
  const tensors = [
    same(`${trunk}.conv_stem.weight`, [config.stem, 3, 3, 3]),
    ...batchNorm(`${trunk}.bn1`, config.stem),
  ];
  let input = config.stem;
  config.stages.forEach(({ repeats, channels, kernel, expansion }, stage) => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const block = `${trunk}.blocks.${stage}.${repeat}`;
      const inner = input * expansion;
      const depthwise = same(`${block}.conv_dw.weight`, [inner, 1, kernel, kernel]);
      if (expansion === 1) {
        tensors.push(depthwise, ...batchNorm(`${block}.bn1`, inner));
        tensors.push(same(`${block}.conv_pw.weight`, [channels, inner, 1, 1]), ...batchNorm(`${block}.bn2`, channels));
      } else {
        tensors.push(same(`${block}.conv_pw.weight`, [inner, input, 1, 1]), ...batchNorm(`${block}.bn1`, inner));
        tensors.push(depthwise, ...batchNorm(`${block}.bn2`, inner));
        tensors.push(same(`${block}.conv_pwl.weight`, [channels, inner, 1, 1]), ...batchNorm(`${block}.bn3`, channels));
      }
      input = channels;
    }
  });
  tensors.push(
    same(`${trunk}.conv_head.weight`, [config.head, input, 1, 1]),
    ...batchNorm(`${trunk}.bn2`, config.head),
  );
  tensors.push(same('visual.head.proj.weight', [embedDim, config.head]));
  if (config.projectionBias) tensors.push(same('visual.head.proj.bias', [embedDim]));
  return tensors;
}

function batchNorm(name: string, channels: number): WantedTensor[] {
  return ['weight', 'bias', 'running_mean', 'running_var'].map((kind) => same(`${name}.${kind}`, [channels]));
}

/** Weight and bias of a LayerNorm. */
function affine(name: string, width: number, huggingFace: string): WantedTensor[] {
  return ['weight', 'bias'].map((kind) => same(`${name}.${kind}`, [width], `${huggingFace}.${kind}`));
}

function linear(name: string, input: number, output: number, huggingFace: string): WantedTensor[] {
  return [
    same(`${name}.weight`, [output, input], `${huggingFace}.weight`),
    same(`${name}.bias`, [output], `${huggingFace}.bias`),
  ];
}

/** OpenCLIP multiplies by an [in, out] matrix, Hugging Face has a linear layer. */
function projection(name: string, input: number, output: number, huggingFace: string): WantedTensor {
  const shape = [output, input];
  return {
    name,
    shape,
    openclip: { names: [name], shape: [input, output], transpose: true },
    huggingface: stored([huggingFace], shape),
  };
}

/** Stored alike on both sides. */
function same(name: string, shape: readonly number[], huggingFace?: string): WantedTensor {
  const wanted = { name, shape, openclip: stored([name], shape) };
  return huggingFace === undefined ? wanted : { ...wanted, huggingface: stored([huggingFace], shape) };
}

function stored(names: readonly string[], shape: readonly number[]): StoredTensor {
  return { names, shape, transpose: false };
}

/**
 * Finds a tower's tensors in a file, by whichever layout's names it uses.
 * @throws ClipError `WEIGHTS_MISSING`, `WEIGHTS_SHAPE` or `WEIGHTS_DTYPE`, naming the first tensor that is amiss.
 */
export function resolveTensors(file: SafetensorsFile, config: ClipConfig, tower: Tower): ResolvedTensor[] {
  const tensors = plainNames(file);
  const layout = detectLayout(tensors.keys());
  if (layout === undefined) {
    const some = [...file.tensors.keys()].slice(0, 3).join(', ') || 'none';
    throw new ClipError(
      'WEIGHTS_MISSING',
      `"${file.name}" has no tensor names of CLIP, neither OpenCLIP's nor Hugging Face's (it has ${some})`,
    );
  }
  const places = wantedTensors(config, tower).map((wanted) => ({ wanted, place: wanted[layout] ?? wanted.openclip }));
  const missing = places.flatMap(({ place }) => place.names).filter((name) => !tensors.has(name));
  if (missing.length > 0) {
    const others = missing.length === 1 ? '' : ` and ${missing.length - 1} other${missing.length === 2 ? '' : 's'}`;
    throw new ClipError(
      'WEIGHTS_MISSING',
      `"${file.name}" lacks the tensor ${missing[0]}${others} of the ${tower} tower ` +
        `(names are ${layout === 'openclip' ? "OpenCLIP's" : "Hugging Face's"})`,
    );
  }
  return places.map(({ wanted, place }) => {
    const parts = place.names.map((name) => tensors.get(name)!);
    for (const part of parts) checkTensor(file, part, place.shape);
    return { name: wanted.name, shape: wanted.shape, parts, transpose: place.transpose };
  });
}

/** Whose names these are, judged by the beginnings that only one side uses; undefined if nobody's. */
export function detectLayout(names: Iterable<string>): Layout | undefined {
  for (const name of names) {
    if (/^(vision_model|text_model)\./.test(name)) return 'huggingface';
    if (/^(visual\.|transformer\.resblocks\.|token_embedding\.weight$)/.test(name)) return 'openclip';
  }
  return undefined;
}

/**
 * The tensors under their names without wrappers: training in parallel puts `module.` before every name
 * (torch's DataParallel), compiling `_orig_mod.`, Lightning `model.`, and OpenCLIP's CustomTextCLIP keeps the text tower
 * under `text.`. A name that needs no change wins over one that does.
 */
function plainNames(file: SafetensorsFile): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>(file.tensors);
  for (const [name, tensor] of file.tensors) {
    const plain = name.replace(/^((module|_orig_mod|model)\.)+/, '').replace(/^text\./, '');
    if (!tensors.has(plain)) tensors.set(plain, tensor);
  }
  return tensors;
}

function checkTensor(file: SafetensorsFile, tensor: TensorInfo, expected: readonly number[]): void {
  const found = tensor.shape;
  // A single number is written with and without a dimension.
  const scalar = expected.length === 0 && found.length === 1 && found[0] === 1;
  if (!scalar && (found.length !== expected.length || found.some((size, i) => size !== expected[i]))) {
    throw new ClipError(
      'WEIGHTS_SHAPE',
      `"${file.name}": tensor ${tensor.name} has the shape [${found.join(', ')}], expected [${expected.join(', ')}]`,
    );
  }
  requireReadable(file, tensor);
}
