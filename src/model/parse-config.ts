/** A model's configuration from the JSON that its files hold, in whichever form. */
import { ClipError } from '../errors.ts';
import { Fields } from '../fields.ts';
import { isObject, show } from '../json.ts';
import { type ClipConfig, configTowers } from './config.ts';
import { isHuggingFace, parseHuggingFace } from './config-huggingface.ts';
import { parseOpenClip } from './config-openclip.ts';

/**
 * Reads the parsed JSON of `open_clip_config.json`, of a bare OpenCLIP model configuration (the files in
 * open_clip/model_configs), or of a Hugging Face `config.json` of a CLIP model or of one of its towers.
 * @param warn is told what the caller should know about a configuration that is accepted
 * @throws ClipError `CONFIG` that names the field, what was expected and what came.
 */
export function parseConfig(json: unknown, warn: (warning: string) => void = () => {}): ClipConfig {
  const config = parseTowers(json, warn);
  const reason = config.refused?.image ?? config.refused?.text;
  if (reason !== undefined) throw new ClipError('CONFIG', reason);
  return config;
}

/**
 * As `parseConfig`, but where one of two towers cannot be built, its reason is in `refused`.
 * @throws ClipError `CONFIG` if no tower can be built, or the configuration as a whole cannot be used
 */
export function parseTowers(json: unknown, warn: (warning: string) => void = () => {}): ClipConfig {
  const config = read(json, warn);
  if (configTowers(config).length > 0) return config;
  throw new ClipError('CONFIG', config.refused!.image ?? config.refused!.text!);
}

function read(json: unknown, warn: (warning: string) => void): ClipConfig {
  if (!isObject(json)) throw new ClipError('CONFIG', `model configuration: expected an object, got ${show(json)}`);
  if (isObject(json.model_cfg)) return parseOpenClip(new Fields(json.model_cfg, 'model_cfg.'));
  if ('vision_cfg' in json || 'text_cfg' in json) return parseOpenClip(new Fields(json, ''));
  if (isHuggingFace(json)) return parseHuggingFace(new Fields(json, ''), warn);
  throw new ClipError(
    'CONFIG',
    "model configuration: expected OpenCLIP's model_cfg or Hugging Face's vision_config and text_config, " +
      `got the keys ${Object.keys(json).slice(0, 8).join(', ') || '(none)'}`,
  );
}
