/** A model's configuration from the JSON that its files hold, in whichever form. */
import { ClipError } from '../errors.ts';
import { Fields } from '../fields.ts';
import { isObject, show } from '../json.ts';
import { type ClipConfig, configTowers } from './config.ts';
import type { parseHuggingFace } from './config-huggingface.ts';
import { parseOpenClip } from './config-openclip.ts';

/** Whether the JSON has the outer form of a Hugging Face configuration. */
export function isHuggingFace(json: unknown): boolean {
  if (!isObject(json) || isOpenClip(json)) return false;
  return 'model_type' in json || 'vision_config' in json || 'text_config' in json;
}

const isOpenClip = (json: Record<string, unknown>): boolean =>
  isObject(json.model_cfg) || 'vision_cfg' in json || 'text_cfg' in json;

/**
 * Reads the parsed JSON of `open_clip_config.json`, of a bare OpenCLIP model configuration (the files in
 * open_clip/model_configs), or of a Hugging Face `config.json` of a CLIP model or of one of its towers. Where one of two towers
 * cannot be built, its reason is in `refused`.
 * @param warn is told what the caller should know about a configuration that is accepted
 * @param huggingFace `parseHuggingFace`, which is loaded only for such a configuration
 * @throws ClipError `CONFIG` that names the field, what was expected and what came, if no tower can be built or the
 *   configuration as a whole cannot be used
 */
export function parseTowers(
  json: unknown,
  warn: (warning: string) => void,
  huggingFace?: typeof parseHuggingFace,
): ClipConfig {
  const config = read(json, warn, huggingFace);
  if (configTowers(config).length > 0) return config;
  throw new ClipError('CONFIG', config.refused!.image ?? config.refused!.text!);
}

function read(
  json: unknown,
  warn: (warning: string) => void,
  huggingFace: typeof parseHuggingFace | undefined,
): ClipConfig {
  if (!isObject(json)) throw new ClipError('CONFIG', `model configuration: expected an object, got ${show(json)}`);
  if (isObject(json.model_cfg)) return parseOpenClip(new Fields(json.model_cfg, 'model_cfg.'));
  if (isOpenClip(json)) return parseOpenClip(new Fields(json, ''));
  if (huggingFace && isHuggingFace(json)) return huggingFace(new Fields(json, ''), warn);
  throw new ClipError(
    'CONFIG',
    "model configuration: expected OpenCLIP's model_cfg or Hugging Face's vision_config and text_config, " +
      `got the keys ${Object.keys(json).slice(0, 8).join(', ') || '(none)'}`,
  );
}
