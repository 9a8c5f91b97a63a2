/**
 * The configuration of OpenAI's published files, which have none beside them: from the tensors' shapes, as OpenAI's
 * clip/model.py does in build_model.
 */
import { plainName } from './plain-name.ts';
import type { TensorFile } from './tensor-file.ts';

/** Width of an attention head in all of OpenAI's models. */
const HEAD_WIDTH = 64;
/** How many times smaller than the image the ResNet's last map is. */
const RESNET_STRIDE = 32;

/**
 * The model as an OpenCLIP configuration, or undefined if the file is not OpenAI's own: only a TorchScript file is surely
 * of a model with QuickGELU; a state dict does not tell its activation.
 */
export function openaiConfig({ torch, tensors }: TensorFile): Record<string, unknown> | undefined {
  if (torch !== 'TorchScript') return undefined;
  const shapes = new Map([...tensors].map(([name, { shape }]) => [plainName(name), shape]));
  const size = (name: string, dimension: number) => shapes.get(name)?.[dimension];
  /** How many different numbers follow the prefix. */
  const count = (prefix: string) =>
    new Set(
      [...shapes.keys()]
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length).split('.')[0]),
    ).size;
  const width = size('ln_final.weight', 0);
  const embedDim = size('text_projection', 1);
  if (width === undefined || embedDim === undefined) return undefined;
  const side = (positions: string) => Math.round(Math.sqrt((size(positions, 0) ?? 1) - 1));
  const patch = size('visual.conv1.weight', 3);
  const vision = shapes.has('visual.proj')
    ? {
        image_size: (patch ?? 0) * side('visual.positional_embedding'),
        layers: count('visual.transformer.resblocks.'),
        width: size('visual.conv1.weight', 0),
        head_width: HEAD_WIDTH,
        patch_size: patch,
      }
    : {
        image_size: RESNET_STRIDE * side('visual.attnpool.positional_embedding'),
        layers: [1, 2, 3, 4].map((stage) => count(`visual.layer${stage}.`)),
        width: size('visual.layer1.0.conv1.weight', 0),
      };
  return {
    model_cfg: {
      embed_dim: embedDim,
      quick_gelu: true,
      vision_cfg: vision,
      text_cfg: {
        context_length: size('positional_embedding', 0),
        vocab_size: size('token_embedding.weight', 0),
        width,
        heads: Math.floor(width / HEAD_WIDTH),
        layers: count('transformer.resblocks.'),
      },
    },
  };
}
