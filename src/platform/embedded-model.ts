/** The model as base64 inside JavaScript, a module for each file. */
import config from '../../dist/embedded/config.js';
import type { ModelFiles } from '../weights/source.ts';
import { bytesSource } from '../weights/source.ts';
import { decodeBase64 } from './base64.ts';
import { defaultModel } from './default-model.ts';

/** The model inside the package. */
export function defaultFiles(): ModelFiles {
  return defaultModel({
    config: async () => config,
    tokenizer: async () => (await import('../../dist/embedded/tokenizer.js')).default,
    image: async () => source('image.bin', (await import('../../dist/embedded/image.js')).default),
    text: async () => source('text.bin', (await import('../../dist/embedded/text.js')).default),
  });
}

const source = (name: string, base64: string) => bytesSource(decodeBase64(base64), name);
