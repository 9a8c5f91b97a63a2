/**
 * The environment variables of Python's huggingface_hub (its constants.py), and the token that `hf auth login` stores. A
 * runtime that gives no access to a variable counts as one without it.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkedEndpoint, HUB, type HubAccess, type HubOptions, type LoadAccess } from './access.ts';

export interface NodeAccess extends HubAccess {
  /** The cache's folder, an absolute path. */
  readonly cacheDir: string;
}

export async function nodeAccess(options: HubOptions, load: LoadAccess): Promise<NodeAccess> {
  const home = folder('HF_HOME') ?? join(folder('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  const cacheDir = options.cacheDir ?? folder('HF_HUB_CACHE') ?? folder('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub');
  return {
    ...load,
    cacheDir: resolve(cacheDir),
    endpoint: checkedEndpoint(variable('HF_ENDPOINT') ?? HUB),
    token: cleanToken(options.accessToken ?? (await storedToken(home))),
    offline: options.localFilesOnly ?? (isTrue('HF_HUB_OFFLINE') || isTrue('TRANSFORMERS_OFFLINE')),
    fetch: options.fetch ?? globalThis.fetch,
  };
}

/** A variable's value; an empty one counts as absent. */
function variable(name: string): string | undefined {
  try {
    return process.env[name] || undefined;
  } catch {
    return undefined;
  }
}

const isTrue = (name: string): boolean => ['1', 'ON', 'YES', 'TRUE'].includes((variable(name) ?? '').toUpperCase());

/** A folder's path, with `~` and `$NAME` filled in. */
function folder(name: string): string | undefined {
  const path = variable(name)?.replace(/^~(?=$|[/\\])/, () => homedir());
  return path?.replace(/\$(?:(\w+)|\{(\w+)\})/g, (all, bare, braced) => variable(bare ?? braced) ?? all);
}

async function storedToken(home: string): Promise<string | undefined> {
  if (isTrue('HF_HUB_DISABLE_IMPLICIT_TOKEN')) return undefined;
  const given = variable('HF_TOKEN') ?? variable('HUGGING_FACE_HUB_TOKEN');
  if (given !== undefined) return given;
  return readFile(folder('HF_TOKEN_PATH') ?? join(home, 'token'), 'utf8').catch(() => undefined);
}

/** Files of tokens end with a line feed. */
const cleanToken = (token: string | undefined): string | undefined => token?.replace(/[\r\n]/g, '').trim() || undefined;
